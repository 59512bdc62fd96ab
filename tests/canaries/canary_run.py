"""A whole life of two tables whose sensitive cells are canaries; failures are part of it.

`python -m tests.canaries.canary_run FOLDER day|night`: the blocks are those of the environment.
What is said and raised is kept in FOLDER/said, what Spark's pages show in FOLDER/pages. By day
fewer commands run.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import pickle
import signal
import subprocess
import sys
import time
import traceback
import urllib.request
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import psycopg
from pyspark.sql import SparkSession

from blocks.lookup import block_lookup
from flows.load_table import load_table
from strandline.command_line import main as strandline
from tasks.run.progress_listeners import Progress, listening
from tests.canaries import canaries
from tests.canaries.planted_leaks import plant


class Drill:
    """Runs one thing after another, and keeps all that each says."""

    def __init__(self, folder: Path) -> None:
        self.said, self.pages = folder / "said", folder / "pages"
        self.said.mkdir()
        self.pages.mkdir()
        self.outcomes: dict[str, str] = {}
        self.settings = block_lookup.settings("default")
        self.dsn = os.environ[canaries.ADMIN]

    def sql(self, *statements: str) -> None:
        with psycopg.connect(self.dsn) as connection:
            for statement in statements:
                connection.execute(statement.encode())

    def update(self, *rows: tuple[object, ...]) -> None:
        with psycopg.connect(self.dsn) as connection:
            cursor = connection.cursor()
            cursor.executemany(
                "DELETE FROM clinic.readings WHERE patient = %s", [r[:1] for r in rows]
            )
            cursor.executemany(canaries.INSERT_READING, rows)

    def do(self, name: str, action: Callable[[], object]) -> None:
        """Run it; what it prints, returns or raises is kept."""
        out = io.StringIO()
        begin = time.monotonic()
        try:
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
                told = action()
            self.outcomes[name] = f"{told}"[:300] if isinstance(told, int) else "done"
            out.write(f"\n{told!r}\n")
        except Exception as error:  # noqa: BLE001 - what it carries is searched
            self.outcomes[name] = type(error).__name__
            (self.said / f"{name}.pickle").write_bytes(pickle.dumps(error))
            out.write(traceback.format_exc())
        (self.said / f"{name}.txt").write_text(out.getvalue())
        took = time.monotonic() - begin
        sys.stdout.write(f"DRILL {took:.1f} s: {name}, {self.outcomes[name]}\n")
        sys.stdout.flush()

    def command(self, name: str, *typed: str, text: str = "") -> None:
        with mock.patch.object(sys, "stdin", io.StringIO(text)):
            self.do(name, lambda: strandline([*typed]))

    def keep_pages(self, spark: SparkSession) -> None:
        """All that Spark's pages and its REST service show now."""
        base = spark.sparkContext.uiWebUrl
        app = f"{base}/api/v1/applications/{spark.sparkContext.applicationId}"
        for path in (
            *(f"{base}/{page}/" for page in ("jobs", "stages", "storage", "environment", "SQL")),
            f"{base}/executors/", f"{base}/executors/threadDump/?executorId=driver",
            *(f"{app}/{each}" for each in ("jobs", "stages?details=true", "environment")),
            f"{app}/sql?details=true&planDescription=true&length=100000",
        ):  # fmt: skip
            with urllib.request.urlopen(path, timeout=60) as answer:  # noqa: S310 - of this machine
                kept = self.pages / f"{len(list(self.pages.iterdir()))}.html"
                kept.write_bytes(f"{path}\n".encode() + answer.read())


def interrupted(contract: str, step: str) -> None:
    """A load that is stopped as Ctrl-C stops it."""

    def stop(progress: Progress) -> None:
        if (progress.step, progress.state) == (step, "done"):
            os.kill(os.getpid(), signal.SIGINT)

    with listening(stop):
        try:
            load_table(contract)
        except BaseException as error:
            message = f"stopped by {type(error).__name__}"
            if isinstance(error, Exception):
                raise
            raise InterruptedError(message) from None


def killed(contract: str, step: str, state: str = "done") -> int:
    """A load in another process that is ended at once, as by the operating system."""
    module = "tests.flows.killed_load"
    typed = [sys.executable, "-m", module, contract, step, state]
    return subprocess.run(typed, check=False).returncode


QUESTIONS = {
    "history": ("history", "readings", "1"),
    "history people": ("history", "people", canaries.PERSON),
    "diff": ("diff", "readings", "--keys"),
    "status": ("status",),
    "runs": ("runs", "readings"),
    "report people": ("report", "people"),
    "show": ("quarantine", "show", "readings", "--rows", "--json"),
    "access": ("access", "readings", "--as", "nurse", "--rows", "5"),
    "keys": ("keys", "status"),
    "audit": ("audit", "show"),
}
WHY = ("--reason", "drill")
DECISIONS = {
    "fix": ("quarantine", "fix", "readings", "--set", "weight=70", "--all", *WHY),
    "release": ("quarantine", "release", "readings", "--all", *WHY),
    "discard": ("quarantine", "discard", "people", "--all", *WHY),
}
CHANGES = {
    "rotate": ("keys", "rotate", "readings", "--rewrite"),
    "rotate people": ("keys", "rotate", "people", "--rewrite"),
    "rebuild": ("rebuild", "readings", "--all", "--yes"),
    "repair": ("verify", "people", "--repair"),
    "upkeep": ("upkeep", "readings", "people"),
}


PRIVACY = {
    "hold": ("hold", "place", "readings", "--subjects-from", "-", "--matter", "drill", *WHY),
    "erase under hold": ("erase", "readings", "--subjects-from", "-", "--yes", *WHY),
    "holds": ("hold", "list"),
    "let go": ("hold", "release", "readings", "--subjects-from", "-", *WHY),
    "erase": ("erase", "readings", "--subjects-from", "-", "--yes", *WHY),
    "lift": ("erase", "readings", "--subjects-from", "-", "--lift", *WHY),
}
"""What is done about a person, who is typed."""
ERASE_PERSON = ("erase", "people", "--subjects-from", "-", "--yes", *WHY)
TWICE = "INSERT INTO {table} SELECT * FROM {table} WHERE is_current AND patient = 1"
"""A second open version of a key: what the history's audit refuses to publish."""
TAMPERED = """
UPDATE {table} SET name = unhex(concat(left(hex(name), length(hex(name)) - 4), '0000'))
WHERE patient = 2
"""


def main(folder: Path, when: str) -> None:
    """By day few loads, a failure, a kill and a rotation; by night all of it."""
    drill, night = Drill(folder), when == "night"
    drill.update(*canaries.FIRST)
    drill.do("load", lambda: load_table("readings"))
    drill.do("load people", lambda: load_table("people"))
    spark = drill.settings.spark.session(drill.settings.lakehouse)
    records = spark.table(f"{drill.settings.lakehouse.catalog}.governance.subject_keys").collect()
    wrapped = [bytes(each.subject_key).hex() for each in records]
    (folder / "subject_keys.json").write_text(json.dumps(wrapped))
    if night:
        for name, typed in (QUESTIONS | DECISIONS).items():
            drill.command(name, *typed)
        more_loads(drill, spark)
    drill.command("decrypt", "decrypt", "readings", "1", "--as", "doctor", *WHY)
    drill.sql(canaries.FAILING_VIEW)
    drill.do("source fails", lambda: load_table("people"))
    if night:
        drill.sql(canaries.REFUSING_VIEW)
        drill.do("constraint of the source", lambda: load_table("people"))
    drill.sql(canaries.WORKING_AGAIN)
    drill.update(*canaries.THIRD)
    drill.do("killed", lambda: killed("readings", "protect"))
    drill.do("load after", lambda: load_table("readings"))
    if night:
        changes(drill, spark)
    else:
        drill.command("rotate", *CHANGES["rotate"])
    drill.do("planted", lambda: plant(spark, drill.settings.lakehouse.catalog))
    drill.keep_pages(spark)
    (folder / "outcomes.json").write_text(json.dumps(drill.outcomes, indent=1))
    spark.stop()


def more_loads(drill: Drill, spark: SparkSession) -> None:
    """What is new, all again, a batch that is held and published, and a load that is stopped."""
    drill.update(*canaries.SECOND)
    drill.do("load what is new", lambda: load_table("readings"))
    drill.sql("UPDATE public.people SET note = note || ' again', updated_at = '2024-02-02'")
    drill.do("load people again", lambda: load_table("people"))
    drill.update(*canaries.UNFIT)
    drill.do("gate closes", lambda: load_table("readings"))
    held = f"{drill.settings.lakehouse.catalog}.governance.held_batches"
    (batch,) = spark.table(held).collect()
    drill.command("publish", "quarantine", "publish", "readings", batch.batch_id, *WHY)
    # They would be read again within the overlap.
    drill.sql("DELETE FROM clinic.readings WHERE patient >= 20")
    drill.do("interrupted", lambda: interrupted("readings", "protect"))
    drill.do("killed within the pass", lambda: killed("readings", "protect", "within"))
    drill.do("load all again", lambda: load_table("readings", full=True))
    drill.sql(canaries.FEWER_PEOPLE)
    drill.do("many are gone", lambda: load_table("people"))
    drill.sql(canaries.ALL_PEOPLE)


def changes(drill: Drill, spark: SparkSession) -> None:
    """A rule of the history that is broken and repaired, upkeep, persons erased, tampering."""
    table = f"{drill.settings.lakehouse.catalog}.clinic.patients"
    spark.sql(TWICE.format(table=table))
    drill.update(*canaries.FOURTH)
    drill.do("rule of the history", lambda: load_table("readings"))
    for name, typed in CHANGES.items():
        drill.command(name, *typed)
    for name, typed in PRIVACY.items():
        drill.command(name, *typed, text=canaries.READERS["killed"])
    drill.command("erase person", *ERASE_PERSON, text=canaries.PERSON)
    spark.sql(TAMPERED.format(table=table))
    drill.command("tampered", "decrypt", "readings", "2", "--as", "doctor", *WHY)
    drill.command("rotate tampered", *CHANGES["rotate"])


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
