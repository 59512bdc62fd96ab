"""Why a text is not an expression that a check may have."""

from __future__ import annotations


class ExpressionError(ValueError):
    """A part that is not listed, can't be read, or does not fit the types of the columns.

    Args:
        found: What was found, without any value of a row.
        suggestion: What would be right; empty when there is no suggestion.
    """

    def __init__(self, *, found: str, suggestion: str = "") -> None:
        super().__init__(found)
        self.found = found
        self.suggestion = suggestion
