"""One build in its own process: runs loads and queries on command, by lines of JSON.

Commands come by stdin; the answer to each is one line on the channel. Only the packages of the
build can be imported, which is not the build of this file: it imports none of its siblings.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

LAYERS = ("contracts", "history", "blocks", "tasks", "flows", "strandline")
SETTINGS = "default"

Answer = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Worker:
    """The commands, with blocks of this build in `root`, whose file the environment names."""

    root: Path

    def prepare(self, command: Mapping[str, Any]) -> Answer:
        """Make the blocks.

        Args:
            command: `connection` (the source's name in contracts), `server` (host, port, user,
                password), `source` and `catalog` (databases on it), `spark` (fields of its block),
                `slices` (of a read, 2 unless stated).

        Returns:
            `says_kind`: whether contracts may have the kind of their source.
        """
        # Prefect reads the environment when it is first imported.
        from blocks.key_rings.local_key_ring import LocalKeyRing  # noqa: PLC0415
        from blocks.lakehouse import Lakehouse  # noqa: PLC0415
        from blocks.run_settings import RunSettings  # noqa: PLC0415
        from blocks.source_database import SourceDatabase  # noqa: PLC0415
        from blocks.spark_runtime import SparkRuntime  # noqa: PLC0415
        from contracts import model  # noqa: PLC0415

        block_lookup = _block_lookup()
        server = command["server"]
        settings = RunSettings(
            spark=SparkRuntime(**command["spark"], log_directory=self.root / "logs"),
            lakehouse=Lakehouse(
                warehouse=str(self.root / "warehouse"),
                uri=f"jdbc:postgresql://{server['host']}:{server['port']}/{command['catalog']}",
                user=server["user"],
                password=server["password"],
            ),
            key_ring=LocalKeyRing(
                path=self.root / "keys.json", key_encryption_key=LocalKeyRing.generate_key()
            ),
            contracts_directory=self.root / "contracts",
            state_directory=self.root / "state",
            slices=command.get("slices", 2),
            table_minutes=240,
        )
        source = SourceDatabase(database=command["source"], **server)
        name = block_lookup.block_name(command["connection"])
        file = block_lookup.save_local(
            self.root / "blocks.yaml", (SETTINGS, settings), (name, source)
        )
        os.environ[block_lookup.VARIABLE] = str(file)
        return {"says_kind": hasattr(model, "SourceKind")}

    def load(self, command: Mapping[str, Any]) -> Answer:
        """Run the flow for one contract; `seconds` is from its start to its end."""
        from flows.load_table import load_table  # noqa: PLC0415

        began = time.perf_counter()
        summary = load_table(command["contract"], SETTINGS)
        seconds = time.perf_counter() - began
        return {
            "seconds": seconds,
            "steps": dict(summary.step_seconds),
            "memory_mb": summary.memory_mb,
            "rows_read": summary.staged.rows_read,
            "refused": summary.staged.refused,
            "opened": summary.report.opened,
            "closed": summary.report.closed,
        }

    def query(self, command: Mapping[str, Any]) -> Answer:
        """Evaluate expressions over the open versions of a table; `row` has their values."""
        settings = _block_lookup().settings(SETTINGS)
        spark = settings.spark.session(settings.lakehouse)
        table = spark.table(f"{settings.lakehouse.catalog}.{command['table']}")
        (row,) = table.where("is_current").selectExpr(*command["expressions"]).collect()
        return {"row": list(row)}


def _block_lookup() -> ModuleType:
    """The module by which a build looks up its blocks; earlier builds have another path."""
    try:
        return importlib.import_module("blocks.lookup.block_lookup")
    except ModuleNotFoundError:
        return importlib.import_module("blocks.directory")


def main(kind: type[Worker] = Worker) -> None:
    """Answer commands until there are no more."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", required=True, type=Path)
    parser.add_argument("--root", required=True, type=Path)
    parser.add_argument("--channel", required=True, type=int)
    options = parser.parse_args()
    # The JVM and other started processes must not keep the channel open.
    os.set_inheritable(options.channel, False)
    worker = kind(options.root)
    commands: dict[str, Callable[[Mapping[str, Any]], Answer]] = {
        "prepare": worker.prepare,
        "load": worker.load,
        "query": worker.query,
    }
    with os.fdopen(options.channel, "w", buffering=1) as channel:
        _check_packages(options.build)
        for line in sys.stdin:
            command = json.loads(line)
            try:
                answer = commands[command["do"]](command)
            except Exception as error:  # noqa: BLE001 - any error of a build is its answer
                traceback.print_exc()
                answer = {"failed": f"{type(error).__name__}: {error}"}
            channel.write(json.dumps(answer) + "\n")


def _check_packages(build: Path) -> None:
    """Stop if a package is not the build's: else the other build would be measured twice."""
    from strandline.command_line import quiet_libraries  # noqa: PLC0415

    quiet_libraries(verbose=False)
    for layer in LAYERS:
        file = importlib.import_module(layer).__file__
        if file is None or not Path(file).resolve().is_relative_to(build.resolve()):
            message = f"{layer} comes from {file}, not from {build}"
            raise SystemExit(message)


if __name__ == "__main__":
    main()
