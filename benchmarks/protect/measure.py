"""First loads and rounds of changes, of both contracts in turn."""

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

__all__ = ["EXPRESSIONS", "Kind", "Measured", "Pair", "Say", "measure"]

Kind = Literal["first", "incremental"]
Load = dict[str, Any]
Pair = dict[Name, Load]
Say = Callable[[str], None]

_SEALED = "AND octet_length(email) > 34 AND octet_length(born_on) > 34"
EXPRESSIONS: dict[Name, str] = {
    "plain": "count_if(name LIKE 'account holder%' AND email LIKE '%@example.org')",
    "protected": f"""count_if(name RLIKE '^[0-9a-f]{{64}}$' {_SEALED}
        AND (city IS NULL OR city = 'ci***'))""",
}
"""How many open versions have the form that their contract asks for."""


@dataclass(slots=True)
class Measured:
    """The pairs of one kind of load, the warm-up first.

    Attributes:
        kind: Which loads.
        pairs: For each round the reports of both contracts' loads.
        rows: What the source holds in the end: rows, distinct names.
        found: The same of each history's open versions, and how many have the right form.
    """

    kind: Kind
    pairs: list[Pair] = field(default_factory=list)
    rows: tuple[int, int] = (0, 0)
    found: dict[Name, tuple[int, ...]] = field(default_factory=dict)

    @property
    def right(self) -> bool:
        """Whether both histories have the source's rows, all in the form that was asked for."""
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
        first.pairs.append(_pair(process, number, number, f"first load {number}", say))
        if number < last:
            for name in NAMES:
                process.ask("query", table=target_of(name, number), drop=True)
    _compare(first, accounts, process, last)
    yield first
    incremental = Measured("incremental")
    for number in case.numbers:
        accounts.change(case, number)
        incremental.pairs.append(_pair(process, last, number, f"changes {number}", say))
    _compare(incremental, accounts, process, last)
    yield incremental


def _pair(process: Process, table: int, number: int, what: str, say: Say) -> Pair:
    """Load both contracts; the other one first in the next round."""
    pair: Pair = {}
    for name in NAMES if number % 2 else reversed(NAMES):
        began, own, busy = time.perf_counter(), cpu_seconds(), _busy_seconds()
        load = process.ask("load", contract=contract_of(name, table))
        available = (time.perf_counter() - began) * (psutil.cpu_count() or 1)
        load["others"] = max(0.0, _busy_seconds() - busy - (cpu_seconds() - own)) / available
        pair[name] = load
        say(
            f"{what}, {name:<9} {load['cpu']:>6.2f} CPU s, {load['seconds']:>6.2f} s, its pass"
            f" {load['pass_cpu']:>6.2f} CPU s, {load['pass_seconds']:>6.2f} s;"
            f" {load['opened']:,} opened; others {load['others']:.0%}"
        )
    return pair


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
