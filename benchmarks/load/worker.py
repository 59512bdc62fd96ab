"""One build in a process of its own: loads and looks when it is told to, by lines of JSON.

Commands come by stdin, each is answered by one line on the channel. Of the packages only those of
the build are seen, which is not the one that this file belongs to: it imports nothing beside it.
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
    """What is loaded with: blocks of this build in `root`, named to it by the environment."""

    root: Path

    def prepare(self, told: Mapping[str, Any]) -> Answer:
        """Make the blocks.

        Args:
            told: `connection` (the contracts' word for the source), `server` (host, port, user,
                password), `source` and `catalog` (databases on it), `spark` (fields of its block).

        Returns:
            `says_kind`: whether contracts may say of which kind their source is.
        """
        # Prefect reads the environment when it is first imported.
        from blocks.key_ring import LocalKeyRing  # noqa: PLC0415
        from blocks.lakehouse import Lakehouse  # noqa: PLC0415
        from blocks.run_settings import RunSettings  # noqa: PLC0415
        from blocks.source_database import SourceDatabase  # noqa: PLC0415
        from blocks.spark_runtime import SparkRuntime  # noqa: PLC0415
        from contracts import model  # noqa: PLC0415

        block_lookup = _block_lookup()
        server = told["server"]
        settings = RunSettings(
            spark=SparkRuntime(**told["spark"], log_directory=self.root / "logs"),
            lakehouse=Lakehouse(
                warehouse=str(self.root / "warehouse"),
                uri=f"jdbc:postgresql://{server['host']}:{server['port']}/{told['catalog']}",
                user=server["user"],
                password=server["password"],
            ),
            key_ring=LocalKeyRing(
                path=self.root / "keys.json", key_encryption_key=LocalKeyRing.generate_key()
            ),
            contracts_directory=self.root / "contracts",
            state_directory=self.root / "state",
            slices=2,
            table_minutes=240,
        )
        source = SourceDatabase(database=told["source"], **server)
        name = block_lookup.block_name(told["connection"])
        file = block_lookup.save_local(
            self.root / "blocks.yaml", (SETTINGS, settings), (name, source)
        )
        os.environ[block_lookup.VARIABLE] = str(file)
        return {"says_kind": hasattr(model, "SourceKind")}

    def load(self, told: Mapping[str, Any]) -> Answer:
        """Run the flow for one contract; `seconds` is from its start to its end."""
        from flows.load_table import load_table  # noqa: PLC0415

        began = time.perf_counter()
        summary = load_table(told["contract"], SETTINGS)
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

    def look(self, told: Mapping[str, Any]) -> Answer:
        """Evaluate expressions over the open versions of a table; `row` is what they give."""
        settings = _block_lookup().settings(SETTINGS)
        spark = settings.spark.session(settings.lakehouse)
        table = spark.table(f"{settings.lakehouse.catalog}.{told['table']}")
        (row,) = table.where("is_current").selectExpr(*told["expressions"]).collect()
        return {"row": list(row)}


def _block_lookup() -> ModuleType:
    """The module by which a build finds its blocks; earlier ones have it in another place."""
    try:
        return importlib.import_module("blocks.lookup.block_lookup")
    except ModuleNotFoundError:
        return importlib.import_module("blocks.directory")


def main() -> None:
    """Answer commands until there are no more."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", required=True, type=Path)
    parser.add_argument("--root", required=True, type=Path)
    parser.add_argument("--channel", required=True, type=int)
    asked = parser.parse_args()
    # The JVM and whatever else is started must not keep the channel open.
    os.set_inheritable(asked.channel, False)
    worker = Worker(asked.root)
    commands: dict[str, Callable[[Mapping[str, Any]], Answer]] = {
        "prepare": worker.prepare,
        "load": worker.load,
        "look": worker.look,
    }
    with os.fdopen(asked.channel, "w", buffering=1) as channel:
        _see_whose(asked.build)
        for line in sys.stdin:
            told = json.loads(line)
            try:
                answer = commands[told["do"]](told)
            except Exception as error:  # noqa: BLE001 - whatever a build raises is its answer
                traceback.print_exc()
                answer = {"failed": f"{type(error).__name__}: {error}"}
            channel.write(json.dumps(answer) + "\n")


def _see_whose(build: Path) -> None:
    """Stop if a package is not the build's: the other one would be measured twice."""
    from strandline.command_line import quiet_libraries  # noqa: PLC0415

    quiet_libraries(verbose=False)
    for layer in LAYERS:
        found = importlib.import_module(layer).__file__
        if found is None or not Path(found).resolve().is_relative_to(build.resolve()):
            message = f"{layer} comes from {found}, not from {build}"
            raise SystemExit(message)


if __name__ == "__main__":
    main()
