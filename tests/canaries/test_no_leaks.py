"""Canaries go through the whole life of two tables; no byte that is left or shown has one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import psycopg
import pytest
import yaml
from psycopg.sql import SQL, Identifier

from blocks.key_rings.local_key_ring import LocalKeyRing
from blocks.lakehouse import Lakehouse
from blocks.lookup import block_lookup
from blocks.run_settings import RunSettings
from blocks.source_database import SourceDatabase
from blocks.spark_runtime import SparkRuntime
from tasks.transforms.protection.subject_key_encryption import opened_record
from tasks.transforms.protection.token_layout import key_mark
from tests.canaries import canaries, canary_run
from tests.canaries.byte_search import pieces_of, search
from tests.night import AT_NIGHT
from tests.quick_spark import QUICK_JAVA

ROOT = Path(__file__).parents[2]
WHEN = "night" if AT_NIGHT else "day"
# Some forty commands, and three JVMs: minutes on a quiet machine of two cores.
pytestmark = pytest.mark.timeout(3600 if AT_NIGHT else 900)
CATALOG = "canary_lake"
BY_DESIGN = {
    # The file with the passwords, and with the key that wraps keys; only its owner can read it.
    "blocks.yaml": ("password of", "key-encryption key"),
    # What a person with the right to it reads on the terminal.
    "said/decrypt.txt": ("readings name",),
    # PostgreSQL quotes the value that it failed on, and Spark keeps the reason why a task failed.
    # Both are off unless somebody turns them on: docs/protection.md says who should see them.
    "events": ("people name",),
    "pages": ("people name",),
}
"""Where a canary may be found, and which: what its name begins with."""
PLANTED_IN = {
    *("events", "pages", "said", "output.log", "warehouse", "prefect database", "prefect storage"),
    *("kept warehouse clinic", "kept warehouse stage", "kept cmdline", "kept environ"),
}
"""Where the search has to find what is leaked on purpose."""
SPILLING = {
    "spark.shuffle.spill.numElementsForceSpillThreshold": "1",
    "spark.shuffle.sort.bypassMergeThreshold": "1",
    "spark.sql.windowExec.buffer.in.memory.threshold": "1",
    "spark.sql.windowExec.buffer.spill.threshold": "1",
    "spark.sql.sortMergeJoinExec.buffer.in.memory.threshold": "1",
    "spark.sql.sortMergeJoinExec.buffer.spill.threshold": "1",
}


class Watch:
    """Keeps, while a process runs, what comes and goes: Spark's own files, tables, and /proc.

    A file is kept by a second name of it, so that nothing of it is missed that is written later,
    and no copy is made.
    """

    def __init__(self, process: subprocess.Popen, root: Path) -> None:
        self.kept = root / "kept"
        self.kept.mkdir()
        self._seen: set[int] = set()
        self._texts: set[bytes] = set()
        self._process, self._root = process, root
        self._thread = threading.Thread(target=self._look)
        self._thread.start()

    def _look(self) -> None:
        rounds = 0
        while self._process.poll() is None:
            self._files(self._root / "spark-local")
            if not rounds % 5:
                self._files(self._root / "warehouse")
                self._processes()
            rounds += 1
            time.sleep(0.02)

    def _files(self, folder: Path | str) -> None:
        # What is removed while it is listed has been there in an earlier round.
        with suppress(OSError), os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    self._files(entry.path)
                elif entry.inode() not in self._seen:
                    with suppress(OSError):
                        place = os.path.relpath(entry.path, self._root).replace(os.sep, "+")
                        os.link(entry.path, self.kept / f"{len(self._seen)}+{place}")
                        self._seen.add(entry.inode())

    def _processes(self) -> None:
        for pid in _descendants(self._process.pid):
            for name in ("cmdline", "environ"):
                with suppress(OSError):
                    octets = Path(f"/proc/{pid}/{name}").read_bytes()
                    if octets not in self._texts:
                        self._texts.add(octets)
                        (self.kept / f"{len(self._texts)}+{name}").write_bytes(octets)

    def end(self) -> None:
        self._thread.join()


def _descendants(pid: int) -> list[int]:
    found, parents = [pid], {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError, ValueError):
            words = path.read_text(errors="replace").rpartition(")")[2].split()
            parents.setdefault(int(words[1]), []).append(int(path.parent.name))
    for each in found:
        found += parents.get(each, [])
    return found


def blocks_in(root: Path, postgres) -> Path:
    (root / "events").mkdir(parents=True)
    (root / "contracts").mkdir()
    canaries.write_contracts(root / "contracts")
    settings = RunSettings(
        spark=SparkRuntime(
            master="local[2]",
            shuffle_partitions=2,
            log_directory=root / "logs",
            ui=True,
            configuration={
                "spark.driver.extraJavaOptions": QUICK_JAVA,
                "spark.local.dir": str(root / "spark-local"),
                "spark.eventLog.enabled": "true",
                "spark.eventLog.compress": "false",
                "spark.eventLog.dir": (root / "events").as_uri(),
                "spark.ui.port": "0",
                # The plans of all stages of a query, whole.
                "spark.sql.ui.explainMode": "extended",
                "spark.sql.debug.maxToStringFields": "1000",
                "spark.sql.codegen.wholeStage": "false",
                "spark.sql.codegen.factoryMode": "NO_CODEGEN",
                **SPILLING,
            },
        ),
        lakehouse=Lakehouse(
            catalog=CATALOG,
            warehouse=str(root / "warehouse"),
            uri=f"jdbc:postgresql://{postgres.host}:{postgres.port}/{CATALOG}",
            user="keeper",
            password=canaries.PASSWORDS["keeper"],
        ),
        key_ring=LocalKeyRing(
            path=root / "keys.json", key_encryption_key=LocalKeyRing.generate_key()
        ),
        contracts_directory=root / "contracts",
        state_directory=root / "state",
        slices=2,
    )
    source = SourceDatabase(
        host=postgres.host, port=postgres.port, database="canary_source", user="reader",
        password=canaries.PASSWORDS["reader"],
    )  # fmt: skip
    return block_lookup.save_local(
        root / "blocks.yaml",
        ("default", settings),
        ("local", settings.spark),
        ("local", settings.lakehouse),
        ("local", settings.key_ring),
        ("source-db-conn", source),
    )


@pytest.fixture(scope="module")
def life(postgres, tmp_path_factory):
    """The whole life, and all pieces in which a canary might be."""
    root = tmp_path_factory.mktemp("canaries")
    with psycopg.connect(postgres.dsn.get_secret_value(), autocommit=True) as connection:
        for name, password in canaries.PASSWORDS.items():
            statement = SQL("CREATE ROLE {} LOGIN PASSWORD {}")
            connection.execute(statement.format(Identifier(name), password))
        connection.execute(f"CREATE DATABASE {CATALOG} OWNER keeper".encode())
    postgres.create_database("canary_source")
    dsn = postgres.dsn_of("canary_source").get_secret_value()
    with psycopg.connect(dsn) as connection:
        connection.execute(canaries.TABLES)
        connection.cursor().executemany(canaries.INSERT_PERSON, canaries.PEOPLE)
    path = blocks_in(root, postgres)
    environment = {
        **os.environ,
        block_lookup.VARIABLE: str(path),
        canaries.ADMIN: dsn,
        "PREFECT_HOME": str(root / "prefect"),
        "PREFECT_LOGGING_LEVEL": "DEBUG",
        "PREFECT_LOGGING_TO_API_ENABLED": "true",
        "PREFECT_API_URL": "",
        "TMPDIR": str(root / "tmp"),
    }
    (root / "tmp").mkdir()
    with (root / "output.log").open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.canaries.canary_run", str(root), WHEN],
            cwd=ROOT, env=environment, stdout=output, stderr=subprocess.STDOUT,
        )  # fmt: skip
        watch = Watch(process, root)
        process.wait()
        watch.end()
    assert process.returncode == 0, (root / "output.log").read_text()[-3000:]
    with psycopg.connect(postgres.dsn_of(CATALOG).get_secret_value()) as connection:
        names = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        for (name,) in names.fetchall():
            rows = connection.execute(SQL("SELECT * FROM {}").format(Identifier(name))).fetchall()
            (root / f"catalog-{name}.txt").write_text("\n".join(map(str, rows)))
    settings = LocalKeyRing(path=root / "keys.json", key_encryption_key=_key_encryption_key(path))
    keys = {
        f"{each.purpose} key {n}": settings.data_key(each.id).material
        for n, each in enumerate(settings.status())
    }
    opening = {
        key_mark(each.id): [settings.data_key(each.id).material] for each in settings.status()
    }
    records = json.loads((root / "subject_keys.json").read_text())
    assert len(records) == 5
    for n, record in enumerate(records):
        keys[f"key of person {n}"] = opened_record(bytes.fromhex(record), opening)[1]
    keys["key-encryption key"] = settings.key_encryption_key.get_secret_value().encode()
    wanted = {**canaries.texts(), **keys, "planted": canaries.PLANTED.encode()}
    hits, kept = search(wanted, pieces_of(root)), [*watch.kept.iterdir()]
    return SimpleNamespace(
        spilled=sum("shuffle" in each.name or "temp_" in each.name for each in kept),
        planted={_place(hit.where) for hit in hits if hit.canary == "planted"},
        found={(hit.where.split(" > ")[0], hit.canary) for hit in hits if hit.canary != "planted"},
        outcomes=json.loads((root / "outcomes.json").read_text()),
    )


def _key_encryption_key(blocks: Path) -> str:
    return yaml.safe_load(blocks.read_text())["local-key-ring"]["local"]["key_encryption_key"]


def test_no_byte_that_is_left_or_was_there_for_a_while_has_a_canary(life):
    by_design = {(where, canary) for where, canary in life.found if _by_design(where, canary)}

    assert life.found - by_design == set()
    assert {_place(where) for where, _ in by_design} == {*BY_DESIGN}


def test_what_is_leaked_on_purpose_is_found_in_each_place(life):
    assert life.spilled > 10
    assert life.planted == PLANTED_IN


def test_all_of_it_happened(life):
    day = {
        **dict.fromkeys(("load", "load people", "load after"), "done"),
        **dict.fromkeys(("decrypt", "rotate"), "0"),
        "source fails": "SourceValueError",
        "killed": "-9",
        "planted": "ValueError",
    }
    night = {
        **dict.fromkeys(canary_run.QUESTIONS | canary_run.DECISIONS | canary_run.CHANGES, "0"),
        **dict.fromkeys(("load what is new", "load people again"), "done"),
        "gate closes": "QualityGateError",
        "publish": "0",
        "interrupted": "InterruptedError",
        "killed within the pass": "-9",
        "load all again": "done",
        "many are gone": "MassClosingError",
        **dict.fromkeys(canary_run.PRIVACY, "0"),
        "erase under hold": "78",
        "constraint of the source": "SourceValueError",
        "rule of the history": "AuditError",
        **dict.fromkeys(("tampered", "rotate tampered"), "65"),
        "erase person": "0",
    }

    assert life.outcomes == (night | day if AT_NIGHT else day)


def _by_design(where: str, canary: str) -> bool:
    return canary.startswith(BY_DESIGN.get(_place(where), ()) or ("-",))


def _place(where: str) -> str:
    """The folder of a file, or the file itself; of what was kept, where it had been."""
    file = where.split(" > ", maxsplit=1)[0]
    if file in BY_DESIGN:
        return file
    folder, _, rest = file.partition("/")
    if folder == "kept":
        _number, *parts = rest.split("+")
        return " ".join(["kept", *parts[: 2 if parts[0] == "warehouse" else 1]])
    if folder == "prefect":
        # The newest is in the log beside the database yet.
        return "prefect database" if rest.startswith("prefect.db") else "prefect storage"
    return folder
