"""What the rows of a full read were that must be open versions once it is loaded."""

from __future__ import annotations

from dataclasses import dataclass

from pyspark.sql import DataFrame


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectedOpenVersions:
    """What the rows of a full read were that must be open versions now.

    Attributes:
        rows: How many of them there were.
        digest: The sum of `digest_of` their values of `column`.
        column: One that says what their tracked columns say; None: rows are only counted.
        apart: Keys whose rows said nothing (refused, ignored): what was open of them still is.
    """

    rows: int
    digest: int = 0
    column: str | None = None
    apart: DataFrame | None = None
