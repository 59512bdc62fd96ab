"""A business key from the command line, as values of the key columns' types.

One column: the bare value, or `name=value`. Several: `one=1,other=2`, in any order; a comma
within a value is fine as long as no column's name and `=` follow it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from contracts.errors import UsageError
from contracts.model import Contract
from strandline.queries.dates_beyond_python_range import FarMoment, far_moment

KeyValue = str | int | bool | float | Decimal | date | datetime | FarMoment

_INTEGERS = {"tinyint": 8, "smallint": 16, "int": 32, "bigint": 64}
_FLAGS = {"true": True, "false": False}


def key_values(text: str, contract: Contract) -> dict[str, KeyValue]:
    """The values of the contract's key columns, in the contract's order.

    Raises:
        UsageError: A column is missing, unknown or named twice, or a value is not of its type.
    """
    texts = assigned_texts(text, contract.key)
    if set(texts) != set(contract.key) or "" in texts.values():
        raise _key_error(contract, "something else")
    return {name: _typed(texts[name], name, contract) for name in contract.key}


def moment_of(text: str) -> datetime:
    """A date or a date and time, read in UTC where it names no zone.

    Raises:
        UsageError: The text is neither.
    """
    try:
        return _moment(text)
    except ValueError:
        raise UsageError(
            where="the time that was typed",
            expected="a date or a date and time, such as 2024-05-01 or 2024-05-01T12:00:00Z",
            found="something else",
            next_step="Correct it and run the command again.",
        ) from None


def instant_of(text: str, name: str, contract: Contract) -> Any:
    """A value of the column that orders the contract's versions, in its type.

    Raises:
        UsageError: The text is none.
    """
    kind = contract.column(name).type
    try:
        return _READERS.get(kind.partition("(")[0], str)(text)
    except (ValueError, InvalidOperation):
        raise UsageError(
            where=f"the moment that was typed for {contract.name}",
            expected=f"a value of {name}, which is a {kind}",
            found="something else",
            next_step="Correct it and run the command again.",
        ) from None


def example(contract: Contract) -> str:
    """The key argument of the contract, with column names in place of values."""
    if len(contract.key) == 1:
        return contract.key[0].upper()
    return ",".join(f"{name}={name.upper()}" for name in contract.key)


def assigned_texts(text: str, names: Sequence[str]) -> dict[str, str]:
    """The texts of the columns of those names; empty where the text is not made of them."""
    pattern = re.compile(rf"(?:^|,)\s*({'|'.join(map(re.escape, names))})\s*=")
    matches = list(pattern.finditer(text))
    if not matches or matches[0].start() != 0:
        return {names[0]: text} if len(names) == 1 else {}
    ends = [*(match.start() for match in matches[1:]), len(text)]
    assigned = {match[1]: text[match.end() : end] for match, end in zip(matches, ends, strict=True)}
    return assigned if len(assigned) == len(matches) else {}


def _typed(text: str, name: str, contract: Contract) -> KeyValue:
    kind = contract.column(name).type
    try:
        return _parsed(text, kind.partition("(")[0])
    except (ValueError, InvalidOperation):
        raise _key_error(contract, f"a value of {name} that is no {kind}") from None


def _parsed(text: str, kind: str) -> KeyValue:
    try:
        return _READERS.get(kind, str)(text)
    except ValueError:
        if kind not in ("date", "timestamp"):
            raise
        return far_moment(text, day=kind == "date")


def _key_error(contract: Contract, found: str) -> UsageError:
    kinds = ", ".join(f"{name} ({contract.column(name).type})" for name in contract.key)
    return UsageError(
        where=f"the key of {contract.name}",
        expected=f"one value for each of {kinds}, typed as {example(contract)}",
        found=found,
        next_step=f"strandline history {contract.name} {example(contract)}",
    )


def _integer(bits: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        number = int(text)
        if not -(1 << bits - 1) <= number < 1 << bits - 1:
            raise ValueError
        return number

    return read


def _flag(text: str) -> bool:
    if text.lower() not in _FLAGS:
        raise ValueError
    return _FLAGS[text.lower()]


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


_READERS: Mapping[str, Callable[[str], KeyValue]] = {
    **{kind: _integer(bits) for kind, bits in _INTEGERS.items()},
    "boolean": _flag,
    "float": float,
    "double": float,
    "decimal": Decimal,
    "date": date.fromisoformat,
    "timestamp": _moment,
}
