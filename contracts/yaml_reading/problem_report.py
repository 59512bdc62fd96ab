"""The problems of a contract file, each with its path, collected and never raised.

Promise: readers continue after a problem, so that reading a file once shows all of them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from difflib import get_close_matches


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing to correct.

    Attributes:
        file: The name of the contract file.
        path: Where in the file, such as
            `schema[0].properties[3].customProperties.strandline.transformation`; empty for the
            file as a whole.
        message: What is wrong.
        suggestion: What would be right; empty when there is no suggestion.
    """

    file: str
    path: str
    message: str
    suggestion: str = ""

    def __str__(self) -> str:
        prefix = f"{self.path}: " if self.path else ""
        hint = f" ({self.suggestion})" if self.suggestion else ""
        return f"{prefix}{self.message}{hint}"


@dataclass(slots=True)
class Report:
    """The problems of one file in order; a repeated one is kept once."""

    file: str
    problems: list[Problem] = field(default_factory=list)

    def add(self, path: str, message: str, suggestion: str = "") -> None:
        """Add a problem."""
        problem = Problem(self.file, path, message, suggestion)
        if problem not in self.problems:
            self.problems.append(problem)

    def knows(self, path: str) -> bool:
        """Whether there is a problem at exactly this path."""
        return any(problem.path == path for problem in self.problems)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A suggestion for a word that is not among the known ones."""
    words = sorted(set(known))
    close = get_close_matches(word, words, n=1)
    if not close:
        folded = {name.casefold(): name for name in words}
        close = [folded[word.casefold()]] if word.casefold() in folded else []
    if close:
        return f"did you mean {close[0]}?"
    return f"known: {', '.join(words)}" if words else ""
