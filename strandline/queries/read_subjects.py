"""Persons as they are typed, or read from a file or from standard input.

Promise: an error names no value, but at most the number of its line.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from contracts.errors import UsageError
from contracts.model import Contract
from strandline.queries.parse_key_argument import assigned_texts

STANDARD_INPUT = "-"


def read_subjects(
    typed: Sequence[str], file: str | None, contract: Contract
) -> tuple[dict[str, str], ...]:
    """The texts of the subject columns of each person; those of the file last.

    A person is `COLUMN=VALUE[,COLUMN=VALUE...]`; of one column, the bare value is enough. A file
    has one on each line; `-` is standard input.

    Raises:
        UsageError: There is none, one is not typed so, or the file can't be read.
    """
    columns = contract.subject_columns
    lines = [(f"--subject, number {at}", text) for at, text in enumerate(typed, start=1)]
    if file is not None:
        lines += [(f"line {at}", text) for at, text in enumerate(_lines(file), start=1)]
    subjects = []
    for place, text in lines:
        if not text.strip():
            continue
        texts = assigned_texts(text, columns)
        if set(texts) != set(columns) or "" in texts.values():
            raise _unusable(contract, f"{place}: something else")
        subjects.append(texts)
    if not subjects:
        raise _unusable(contract, "nobody")
    return tuple(subjects)


def _lines(file: str) -> Iterable[str]:
    try:
        text = sys.stdin.read() if file == STANDARD_INPUT else Path(file).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "text that is not in UTF-8"
        raise UsageError(
            where=f"--subjects-from {file}",
            expected="a file with one person on each line",
            found=reason,
            next_step="Correct it and run the command again. Nothing was changed.",
        ) from None
    return text.splitlines()


def _unusable(contract: Contract, found: str) -> UsageError:
    example = ",".join(f"{name}={name.upper()}" for name in contract.subject_columns)
    return UsageError(
        where=f"the persons named for {contract.name}",
        expected=f"persons, each as {example}",
        found=found,
        next_step="Type them after --subject, or give --subjects-from a file with one on each "
        "line, or - for standard input. Nothing was changed.",
    )
