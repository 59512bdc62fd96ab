"""Runs loads of both contracts on command, by lines of JSON, and says what they cost."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks.cpu_seconds import cpu_seconds
from benchmarks.load.worker import SETTINGS, Answer, Worker, main


@dataclass(frozen=True, slots=True)
class Moment:
    """CPU seconds of the process and its children, and the clock, as a step begins or ends."""

    step: str
    state: str
    cpu: float
    clock: float


class MeasuringWorker(Worker):
    """The commands of the whole loads, which also say what a load and its pass cost."""

    def load(self, command: Mapping[str, Any]) -> Answer:
        """Run the flow for one contract.

        `cpu` and `seconds` are those from the first step's begin to the last one's end: a flow
        ends on a whole second. `pass_cpu` and `pass_seconds` are of the step that reads, checks,
        protects and stages the rows.
        """
        from tasks.run.progress_listeners import Progress, listening  # noqa: PLC0415

        moments: list[Moment] = []

        def note(progress: Progress) -> None:
            moments.append(
                Moment(progress.step, progress.state, cpu_seconds(), time.perf_counter())
            )

        with listening(note):
            answer = super().load(command)
        first, last = moments[0], moments[-1]
        begun, done = (
            next(each for each in moments if (each.step, each.state) == ("protect", state))
            for state in ("begun", "done")
        )
        return {
            **answer,
            "cpu": last.cpu - first.cpu,
            "seconds": last.clock - first.clock,
            "pass_cpu": done.cpu - begun.cpu,
            "pass_seconds": done.clock - begun.clock,
        }

    def query(self, command: Mapping[str, Any]) -> Answer:
        """As in whole loads; with `drop`, the table is removed and nothing evaluated."""
        if not command.get("drop"):
            return super().query(command)
        from blocks.lookup import block_lookup  # noqa: PLC0415

        settings = block_lookup.settings(SETTINGS)
        spark = settings.spark.session(settings.lakehouse)
        spark.sql(f"DROP TABLE {settings.lakehouse.catalog}.{command['table']} PURGE")
        return {}


if __name__ == "__main__":
    main(MeasuringWorker)
    sys.exit()
