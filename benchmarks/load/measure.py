"""First loads and rounds of changes, each loaded by both builds in turn."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from benchmarks.load.accounts import SPARK_DIGEST, Accounts, Standing
from benchmarks.load.builds import BuildName, Builds, Process
from benchmarks.load.case import KINDS, Case
from benchmarks.load.contract import target, write_contract

__all__ = ["Measured", "Plan", "measure"]

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Plan:
    """The parameters of a benchmark run.

    Attributes:
        sizes: Rows of the source table.
        changed: Rows that change in a round.
        rounds: Measured rounds; one more precedes them, to warm up.
    """

    sizes: tuple[int, ...]
    changed: int
    rounds: int

    def cases(self) -> Iterator[tuple[int, list[Case]]]:
        """Each size with its cases.

        Raises:
            ValueError: A size has too few rows for the rounds.
        """
        for rows in self.sizes:
            yield rows, [Case(kind, rows, self.changed, self.rounds) for kind in KINDS]


@dataclass(slots=True)
class Measured:
    """The results of one build in one case.

    Attributes:
        build: Which one.
        case: What it loaded.
        loads: Its report of each load: the first, the warm-up, the rounds.
        found: The digest of its open versions at the end.
        wanted: The digest of the source.
    """

    build: BuildName
    case: Case
    loads: list[dict[str, Any]] = field(default_factory=list)
    found: Standing = ()
    wanted: Standing = ()

    @property
    def right(self) -> bool:
        """Whether the history's open versions are the source's rows."""
        return bool(self.wanted) and self.found == self.wanted


def measure(plan: Plan, accounts: Accounts, builds: Builds, say: Say) -> Iterator[Measured]:
    """Measure every case, of one size after the other; each gives one result per build."""
    for rows, cases in list(plan.cases()):
        say(f"{rows:>11,} rows  filling the source")
        accounts.fill(rows)
        for case in cases:
            yield from _measured(case, accounts, builds, say)


def _measured(case: Case, accounts: Accounts, builds: Builds, say: Say) -> list[Measured]:
    both = {each.name: Measured(each.name, case) for each in (builds.tree, builds.base)}
    prefix = f"{case.rows:>11,} rows  {case.kind:<11}"
    for build in builds.in_turn(0):
        write_contract(build.root / "contracts", case, says_kind=build.says_kind)
        say(f"{prefix} {_loaded(build, both[build.name])}, first load")
    for number in case.numbers:
        changed = accounts.change(case, number)
        say(
            f"{prefix} round {number - case.numbers[0]} of {case.rounds}: {changed.updated:,}"
            f" updated, {changed.deleted:,} deleted, {changed.inserted:,} inserted"
        )
        for build in builds.in_turn(number):
            say(f"{prefix} {_loaded(build, both[build.name])}")
    wanted = accounts.standing()
    for build in builds.in_turn(0):
        one = both[build.name]
        answer = build.ask("query", table=target(case), expressions=list(SPARK_DIGEST))
        one.found, one.wanted = tuple(answer["row"]), wanted
        say(f"{prefix} {build.name} {'is' if one.right else 'is NOT'} what the source is")
    return list(both.values())


def _loaded(build: Process, measured: Measured) -> str:
    load = build.ask("load", contract=measured.case.name)
    measured.loads.append(load)
    return (
        f"{build.name} {load['seconds']:.2f} s, {load['rows_read']:,} read,"
        f" {load['opened']:,} opened, {load['closed']:,} closed"
    )
