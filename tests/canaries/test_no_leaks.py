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
from tests.canaries import canaries, canary_run
from tests.canaries.byte_search import pieces_of, search, unpacked
from tests.night import AT_NIGHT
from tests.quick_spark import QUICK_JAVA

ROOT = Path(__file__).parents[2]
WHEN = "night" if AT_NIGHT else "day"
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
SPILLING = {
    "spark.shuffle.spill.numElementsForceSpillThreshold": "1",
    "spark.shuffle.sort.bypassMergeThreshold": "1",
    "spark.sql.windowExec.buffer.in.memory.threshold": "1",
    "spark.sql.windowExec.buffer.spill.threshold": "1",
    "spark.sql.sortMergeJoinExec.buffer.in.memory.threshold": "1",
    "spark.sql.sortMergeJoinExec.buffer.spill.threshold": "1",
}


class Watch:
    """Reads, while a process runs, what comes and goes: Spark's own files, and /proc."""

    def __init__(self, process: subprocess.Popen, folder: Path) -> None:
        self.pieces: dict[tuple[str, bytes], None] = {}
        self.spilled = 0
        self._seen: set[tuple[int, int, int]] = set()
        self._process, self._folder = process, folder
        self._thread = threading.Thread(target=self._look)
        self._thread.start()

    def _look(self) -> None:
        rounds = 0
        while self._process.poll() is None:
            self._files()
            if not rounds % 10:
                self._processes()
            rounds += 1
            time.sleep(0.02)

    def _files(self) -> None:
        for path in self._paths():
            with suppress(OSError):
                found = path.stat()
                sign = (found.st_ino, found.st_size, found.st_mtime_ns)
                if path.is_file() and found.st_size and sign not in self._seen:
                    self._seen.add(sign)
                    self.spilled += "shuffle" in path.name or "temp_local" in path.name
                    self.pieces[path.name, path.read_bytes()] = None

    def _paths(self) -> list[Path]:
        # Spark removes folders while they are listed; what was missed is there the next time.
        with suppress(OSError):
            return [*self._folder.rglob("*")]
        return []

    def _processes(self) -> None:
        for pid in _descendants(self._process.pid):
            for name in ("cmdline", "environ"):
                with suppress(OSError):
                    octets = Path(f"/proc/{pid}/{name}").read_bytes()
                    self.pieces[f"{name} of a process", octets] = None

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
        watch = Watch(process, root / "spark-local")
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
    keys["key-encryption key"] = settings.key_encryption_key.get_secret_value().encode()
    return SimpleNamespace(
        root=root,
        watch=watch,
        wanted={**canaries.texts(), **keys},
        outcomes=json.loads((root / "outcomes.json").read_text()),
    )


def _key_encryption_key(blocks: Path) -> str:
    return yaml.safe_load(blocks.read_text())["local-key-ring"]["local"]["key_encryption_key"]


def test_nothing_that_is_left_has_a_canary(life):
    hits = search(life.wanted, pieces_of(life.root))

    found = {(hit.where.split(" > ")[0], hit.canary) for hit in hits}
    by_design = {(where, canary) for where, canary in found if _by_design(where, canary)}
    assert found - by_design == set()
    assert {_place(where) for where, _ in by_design} == {*BY_DESIGN}


def test_spark_files_processes_and_environments_have_no_canary_while_they_are_there(life):
    pieces = (inner for where, octets in life.watch.pieces for inner in unpacked(where, octets))

    assert life.watch.spilled > 10
    assert {where for where, _ in life.watch.pieces} >= {
        "cmdline of a process", "environ of a process",
    }  # fmt: skip
    assert {hit.where for hit in search(life.wanted, pieces)} == set()


def test_all_of_it_happened(life):
    day = {
        **dict.fromkeys(("load", "load people", "load after"), "done"),
        **dict.fromkeys(("decrypt", "rotate"), "0"),
        "source fails": "SourceValueError",
        "killed": "-9",
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
        "tampered": "65",
    }

    assert life.outcomes == (night | day if AT_NIGHT else day)


def _by_design(where: str, canary: str) -> bool:
    return canary.startswith(BY_DESIGN.get(_place(where), ()) or ("-",))


def _place(where: str) -> str:
    return where if where in BY_DESIGN else where.split("/", maxsplit=1)[0]
