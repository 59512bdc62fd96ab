"""Count and digest of the rows of a full read that must be open versions once it is loaded."""

from __future__ import annotations

from dataclasses import dataclass

from pyspark.sql import DataFrame


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlTotals:
    """Count and digest of the rows of a full read that must be open versions now.

    Attributes:
        rows: How many of them there are.
        digest: The sum of `digest_of` over their values of `column`.
        column: A column that stands for their tracked columns; None: rows are only counted.
        excluded_keys: Keys whose rows were refused or ignored: what was open of them still is.
    """

    rows: int
    digest: int = 0
    column: str | None = None
    excluded_keys: DataFrame | None = None
