"""First loads and rounds of changes, of all contracts in turn."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import psutil

from benchmarks.cpu_seconds import cpu_seconds
from benchmarks.load.accounts import Accounts
from benchmarks.load.builds import Process
from benchmarks.load.case import Case
from benchmarks.protect.contract import (
    NAMES,
    Name,
    contract_of,
    target_of,
    write_contract,
)

__all__ = ["EXPRESSIONS", "Kind", "Measured", "Round", "Say", "measure"]

Kind = Literal["first", "incremental"]
Load = dict[str, Any]
Round = dict[Name, Load]
Say = Callable[[str], None]

_SEALED = "AND octet_length(email) > 34 AND octet_length(born_on) > 34"
_PROTECTED = f"name RLIKE '^[0-9a-f]{{64}}$' {_SEALED} AND (city IS NULL OR city = 'ci***')"
EXPRESSIONS: dict[Name, str] = {
    "plain": "count_if(name LIKE 'account holder%' AND email LIKE '%@example.org')",
    "protected": f"count_if({_PROTECTED} AND substr(hex(email), 1, 4) = '0101')",
    "subject_keys": f"count_if({_PROTECTED} AND substr(hex(email), 1, 4) = '0103')",
}
"""How many open versions have the form that their contract asks for."""


@dataclass(slots=True)
class Measured:
    """The rounds of one kind of load, the warm-up first.

    Attributes:
        kind: Which loads.
        rounds: For each round the reports of all contracts' loads.
        rows: What the source holds in the end: rows, distinct names.
        found: The same of each history's open versions, and how many have the right form.
    """

    kind: Kind
    rounds: list[Round] = field(default_factory=list)
    rows: tuple[int, int] = (0, 0)
    found: dict[Name, tuple[int, ...]] = field(default_factory=dict)

    @property
    def right(self) -> bool:
        """Whether all histories have the source's rows, all in the form that was asked for."""
        wanted = (*self.rows, self.rows[0])
        return self.rows[0] > 0 and all(self.found.get(name) == wanted for name in NAMES)


def measure(
    case: Case, accounts: Accounts, process: Process, contracts: Path, say: Say
) -> Iterator[Measured]:
    """Measure first loads and then rounds of changes; one of each warms up."""
    accounts.fill(case.rows)
    say(f"the source has {case.rows:,} rows")
    first = Measured("first")
    last = case.rounds
    for number in range(last + 1):
        for name in NAMES:
            write_contract(contracts, case, name, number)
        first.rounds.append(_round(process, number, number, f"first load {number}", say))
        if number < last:
            for name in NAMES:
                process.ask("query", table=target_of(name, number), drop=True)
    _compare(first, accounts, process, last)
    yield first
    incremental = Measured("incremental")
    for number in case.numbers:
        accounts.change(case, number)
        incremental.rounds.append(_round(process, last, number, f"changes {number}", say))
    _compare(incremental, accounts, process, last)
    yield incremental


def _round(process: Process, table: int, number: int, what: str, say: Say) -> Round:
    """Load all contracts; another one first in the next round."""
    first = number % len(NAMES)
    loads: Round = {}
    for name in (*NAMES[first:], *NAMES[:first]):
        began, own, busy = time.perf_counter(), cpu_seconds(), _busy_seconds()
        load = process.ask("load", contract=contract_of(name, table))
        available = (time.perf_counter() - began) * (psutil.cpu_count() or 1)
        load["others"] = max(0.0, _busy_seconds() - busy - (cpu_seconds() - own)) / available
        loads[name] = load
        say(
            f"{what}, {name:<12} {load['cpu']:>6.2f} CPU s, {load['seconds']:>6.2f} s, its pass"
            f" {load['pass_cpu']:>6.2f} CPU s, {load['pass_seconds']:>6.2f} s;"
            f" {load['opened']:,} opened; others {load['others']:.0%}"
        )
    return loads


def _busy_seconds() -> float:
    """CPU seconds of everything on the machine."""
    times = psutil.cpu_times()
    return float(times.user + times.system + getattr(times, "nice", 0.0))


def _compare(measured: Measured, accounts: Accounts, process: Process, number: int) -> None:
    measured.rows = accounts.counted()
    for name in NAMES:
        asked = ["count(*)", "count(DISTINCT name)", EXPRESSIONS[name]]
        answer = process.ask("query", table=target_of(name, number), expressions=asked)
        measured.found[name] = tuple(answer["row"])
