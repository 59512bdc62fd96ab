"""Persons from the command line, or from a file that keeps them off it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from contracts.errors import UsageError
from contracts.model import Contract
from strandline.queries.parse_key_argument import assigned_texts

_STANDARD_INPUT = "-"


def subjects_of(
    contract: Contract, typed: Sequence[str], file: Path | None
) -> list[dict[str, str]]:
    """The text of each subject column, for each person; each person once.

    Args:
        contract: The contract, which names the columns.
        typed: Persons as they were typed: `value`, or `one=1,other=2`.
        file: A file with one person a line, typed likewise; `-` is standard input.

    Raises:
        UsageError: There is none, or one is not typed so; the message has no value.
    """
    lines = [*typed, *_lines(contract, file)]
    columns = contract.subject_columns
    persons = []
    for position, line in enumerate(lines, start=1):
        texts = assigned_texts(line, columns)
        if set(texts) != set(columns) or "" in texts.values():
            raise _not_a_person(contract, f"something else in person {position}")
        persons.append(texts)
    if not persons:
        raise _not_a_person(contract, "none")
    return [dict(each) for each in dict.fromkeys(tuple(p.items()) for p in persons)]


def _lines(contract: Contract, file: Path | None) -> list[str]:
    if file is None:
        return []
    try:
        text = sys.stdin.read() if str(file) == _STANDARD_INPUT else file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise _not_a_person(
            contract, f"a file that can't be read ({type(error).__name__})"
        ) from None
    return [line for line in text.splitlines() if line.strip()]


def _not_a_person(contract: Contract, found: str) -> UsageError:
    columns = contract.subject_columns
    kinds = ", ".join(f"{name} ({contract.column(name).type})" for name in columns)
    example = ",".join(f"{name}={name.upper()}" for name in columns)
    return UsageError(
        where=f"the persons named for {contract.name}",
        expected=f"one value for each of {kinds}, typed as {example}, one person a line in a file",
        found=found,
        next_step="Correct it: --subject ..., or --subjects-from FILE, - for standard input.",
    )
