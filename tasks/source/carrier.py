"""A column's carrier: the SQL expression that selects its value so that the reader loses nothing.

Spark's reader and the drivers change values of many types on the way. So a query selects a value
in a type that they take exactly, which depends on the dialect: `tasks.source.sql_dialects`.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["COLUMN", "Carrier"]

COLUMN = "{column}"
"""Stands for the column's quoted name in the SQL of a carrier."""


@dataclass(frozen=True, slots=True)
class Carrier:
    """How a column is selected, in SQL over `{column}`.

    Args:
        value: Carries the value; null where it does not fit.
        carried: The Spark type that the reader makes of `value`. A date is carried in days and a
            timestamp in microseconds since 1970, in UTC; or each as `string`.
        fits: True when the value fits, null when it is null; None when every value fits.
        text: The value as text, for a row that is refused.
    """

    value: str
    carried: str
    fits: str | None = None
    text: str = f"{COLUMN}::text"

    def select(self, quoted: str) -> str:
        """The value of a column whose quoted name is given."""
        return self.value.replace(COLUMN, quoted)

    def unfit(self, quoted: str) -> str | None:
        """True when the column has a value that is not carried; None when that can't happen."""
        return f"NOT ({self.fits.replace(COLUMN, quoted)})" if self.fits else None

    def as_text(self, quoted: str) -> str:
        """The column's value as text."""
        return self.text.replace(COLUMN, quoted)
