"""A command's output: its answer on standard output, all else on standard error.

Promise: with `--json`, standard output has one JSON document and nothing else. There is no colour
without a terminal, or with NO_COLOR.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any, TextIO

from cyclopts import Parameter
from rich.console import Console, RenderableType
from rich.text import Text

from strandline.queries.dates_beyond_python_range import FarMoment
from strandline.terminal.lines_while_waiting import lines_while_waiting

AsJson = Annotated[
    bool, Parameter(name="--json", negative="", help="Print one JSON document and nothing else.")
]
Settings = Annotated[str, Parameter(help="The name of the run settings.")]
Selected = Annotated[
    tuple[str, ...],
    Parameter(
        name="--select",
        negative="",
        help="The same, as an option: names, patterns such as 'crm_*', tag:NAME, source:BLOCK; it "
        "may be repeated.",
    ),
]
TableName = Annotated[str, Parameter(help="The name of a contract, or of its target table.")]

_PIPE_WIDTH = 140


@dataclass(frozen=True, slots=True)
class CommandOutput:
    """The two streams of a command.

    Attributes:
        out: Standard output, for the answer.
        err: Standard error, for progress and errors.
        as_json: Whether the answer is wanted as JSON.
    """

    out: Console
    err: Console
    as_json: bool = False

    @classmethod
    def of(cls, *, as_json: bool = False) -> CommandOutput:
        """The output of this process."""
        return cls(_console(sys.stdout), _console(sys.stderr), as_json)

    def answer(self, data: object, *parts: RenderableType) -> None:
        """Print the answer: the data as JSON, or the parts, one below the other."""
        if self.as_json:
            json.dump(plain(data), self.out.file, indent=2, ensure_ascii=False)
            self.out.file.write("\n")
            return
        for part in parts:
            # Users copy paths from here: a terminal may wrap one, but we insert no line break.
            unwrapped = isinstance(part, Text) and bool(part.no_wrap)
            self.out.print(part, soft_wrap=unwrapped)

    def log(self, line: str) -> None:
        """Print a line on standard error, unwrapped."""
        self.err.print(line, markup=False, soft_wrap=True)

    def waiting(self, text: str) -> Any:
        """A context in which a terminal shows the text and a spinner; a log gets lines of it.

        Entering it returns rich's status on a terminal, else None.
        """
        if self.err.is_terminal:
            return self.err.status(text)
        return lines_while_waiting(self.log, lambda: [f"{text} ..."] if text else [])


def plain(value: object) -> Any:
    """The value in JSON's types: data classes as objects, moments in ISO 8601, decimals as text."""
    if isinstance(value, datetime | date | FarMoment):
        return value.isoformat()
    if is_dataclass(value) and not isinstance(value, type):
        return {each.name: plain(getattr(value, each.name)) for each in fields(value)}
    if isinstance(value, Mapping):
        return {str(name): plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, Decimal):
        return str(value)
    return value


def _console(stream: TextIO) -> Console:
    """A pipe has no width: it gets one that a log or a pager can show."""
    width = None if stream.isatty() or os.environ.get("COLUMNS") else _PIPE_WIDTH
    return Console(file=stream, width=width, highlight=False, soft_wrap=False, emoji=False)
