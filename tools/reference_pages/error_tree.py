"""The page of all errors: when each is raised, its exit code, what tries again, what to do next."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import cache
from itertools import zip_longest

from contracts import errors
from contracts.errors import RetryableError, StrandlineError
from tasks.run.retries import ENDS_AT_ONCE
from tools.reference_pages.code_index import calls, text_of
from tools.reference_pages.markdown import one_line

__all__ = ["errors_page"]

_MOST_STEPS = 12
_HEAD = """\
# Every error

From the code, by `python -m tools.reference_pages`. A message says where, what was expected, what
was found and what to do next; it has no value of the data, no key and no credential. The
[exit code](../command-line.md#for-programs) is that of a command that ends with the error.

"""
_FOOT = """
A step that ends with what may pass by itself is tried again, as often as `retry_attempts` of the
contract's source says, with growing pauses: [what is tried
again](../sources.md#what-is-tried-again).
"""
_PASSES = "The same call may succeed later"
_WAITED = "it is left to the next run, since waiting was part of it, or its time is over"


def errors_page() -> str:
    """The page."""
    return _HEAD + _summary() + _FOOT + "".join(_section(kind) for kind in _tree(StrandlineError))


def _tree(kind: type[StrandlineError]) -> Iterator[type[StrandlineError]]:
    for below in kind.__subclasses__():
        if below.__module__ == errors.__name__:
            yield below
            yield from _tree(below)


def _summary() -> str:
    rows = "".join(
        f"| {_indent(kind)}[{kind.__name__}](#{kind.__name__.lower()}) | {kind.exit_code} "
        f"| {'yes' if issubclass(kind, RetryableError) else 'no'} | {_when(kind)} |\n"
        for kind in _tree(StrandlineError)
    )
    return f"| error | exit code | may pass by itself | when |\n|---|--:|---|---|\n{rows}"


def _indent(kind: type[StrandlineError]) -> str:
    return "└ " if kind.__base__ is not StrandlineError else ""


def _again(kind: type[StrandlineError]) -> str:
    if not issubclass(kind, RetryableError) or kind is RetryableError:
        return ""
    return f" {_PASSES}; {_WAITED if kind in ENDS_AT_ONCE else 'a step of a load is tried again'}."


def _when(kind: type[StrandlineError]) -> str:
    return one_line((kind.__doc__ or "").partition("\n\n")[0]).rstrip(".")


def _section(kind: type[StrandlineError]) -> str:
    below = kind.__base__.__name__ if kind.__base__ is not None else ""
    about = f"{_when(kind)}. A `{below}`, exit code {kind.exit_code}.{_again(kind)}"
    return f"\n## {kind.__name__}\n\n{about}\n{_steps(kind)}"


def _steps(kind: type[StrandlineError]) -> str:
    steps = sorted(_next_steps()[kind.__name__])
    if not steps:
        return ""
    if len(steps) > _MOST_STEPS:
        return f"\nIts message says which of {len(steps)} next steps is to be taken.\n"
    return "\nWhat to do next, as its messages say it:\n\n" + "".join(f"- {s}\n" for s in steps)


@cache
def _next_steps() -> Mapping[str, set[str]]:
    """By class, what its messages say is to be done; `...` stands for what only a run knows."""
    found: dict[str, set[str]] = defaultdict(set)
    for call in calls(*errors.__all__):
        for argument in call.keywords:
            if argument.arg == "next_step" and (text := text_of(argument.value)):
                name = call.func.id if isinstance(call.func, ast.Name) else ""
                found[name].add(_as_text(text))
    return found


def _as_text(text: str) -> str:
    """With what Markdown would read as its own made plain, but for code."""
    parts = one_line(text).split("`")
    plain = [re.sub(r"([\\*_<>[\]#])", r"\\\1", part) for part in parts[::2]]
    return "`".join(
        part for pair in zip_longest(plain, parts[1::2]) for part in pair if part is not None
    )
