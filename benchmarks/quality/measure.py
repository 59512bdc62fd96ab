"""Rounds of all subjects in turn, so that a disturbance affects all alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.quality.processes import Process, running
from benchmarks.quality.subject import SUBJECTS

__all__ = ["Measured", "Plan", "measure"]

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Plan:
    """The parameters of a benchmark run.

    Attributes:
        subjects: Names from `SUBJECTS`, `bare` among them.
        rounds: Measured rounds.
        warm_ups: Rounds before them, in which code is compiled.
        timeout: Seconds that one run of a subject may take.
    """

    subjects: tuple[str, ...]
    rounds: int
    warm_ups: int
    timeout: float


@dataclass(slots=True)
class Measured:
    """A subject in one of its modes.

    Attributes:
        subject: Its name.
        mode: The mode.
        runs: Seconds, CPU seconds and jobs of each measured round.
        broken: Per rule, how many rows break it, as it found; True: some.
        rows_with_reasons: How many rows it names; None: it names none.
        versions: Of its packages.
        failed: Why it did not complete.
    """

    subject: str
    mode: str
    runs: list[dict[str, Any]] = field(default_factory=list)
    broken: Mapping[str, int | bool] = field(default_factory=dict)
    rows_with_reasons: int | None = None
    versions: Mapping[str, str] = field(default_factory=dict)
    failed: str | None = None


def measure(plan: Plan, root: Path, source: Mapping[str, object], say: Say) -> list[Measured]:
    """Run every subject in every mode, once per round; one that fails does not stop the others."""
    results = {
        (name, mode): Measured(name, mode)
        for name in plan.subjects
        for mode in SUBJECTS[name].modes
    }
    with ExitStack() as stack:
        processes = [
            stack.enter_context(running(name, root, source, plan.timeout)) for name in plan.subjects
        ]
        for process in processes:
            versions = process.answer().get("versions", {})
            for mode in SUBJECTS[process.name].modes:
                results[process.name, mode].versions = versions
            say(f"{process.name}: {process.failed or 'started'}")
        for number in range(plan.warm_ups + plan.rounds):
            _round(number, plan, processes, results, say)
    return list(results.values())


def _round(
    number: int,
    plan: Plan,
    processes: list[Process],
    results: Mapping[tuple[str, str], Measured],
    say: Say,
) -> None:
    measured = number >= plan.warm_ups
    is_last = number == plan.warm_ups + plan.rounds - 1
    # Each other round in the other order: who comes second finds the source's pages in memory.
    for process in processes if number % 2 else processes[::-1]:
        for mode in SUBJECTS[process.name].modes:
            one = results[process.name, mode]
            answer = process.ask(mode=mode, checked=is_last)
            one.failed = process.failed
            if not answer:
                say(f"round {number}  {process.name}, {mode}: failed: {process.failed}")
                continue
            if measured:
                one.runs.append({key: answer[key] for key in ("seconds", "cpu", "jobs")})
            one.broken = answer.get("broken", {})
            one.rows_with_reasons = answer.get("rows_with_reasons")
            say(
                f"round {number}  {process.name}, {mode}: {answer['cpu']:.2f} CPU s,"
                f" {answer['seconds']:.2f} s, {answer['jobs']} jobs"
                + ("" if measured else " (warm-up)")
            )
