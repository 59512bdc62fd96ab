"""How sensitive a column or a row is, in the four levels of the specification."""

from __future__ import annotations

from enum import StrEnum


class Classification(StrEnum):
    """How sensitive a column is; from CONFIDENTIAL on it must be protected."""

    PUBLIC = "PUBLIC"
    INTERNAL = "INTERNAL"
    CONFIDENTIAL = "CONFIDENTIAL"
    RESTRICTED = "RESTRICTED"

    @property
    def up_to(self) -> tuple[Classification, ...]:
        """All that are no more sensitive than this one, the least sensitive first."""
        ordered = tuple(Classification)
        return ordered[: ordered.index(self) + 1]
