"""What a block says of a database that is none of the known ones, but has a JDBC driver."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

__all__ = ["COLUMN_PLACE", "JdbcSettings"]

COLUMN_PLACE = "{column}"
"""Stands for the quoted name of a column."""

_CREDENTIALS = re.compile(r"(?i)(user(name)?|uid|password|pwd)\s*=|//[^/]*:[^/]*@|:[^:/@]+/[^/@]+@")
"""As a parameter, before the host, or as Oracle's `thin:user/password@`."""


class JdbcSettings(BaseModel):
    """A driver, and how the SQL of its database is written.

    Sessions have to take names in double quotes, and their times have to be in UTC or have a zone.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    url: str = Field(
        pattern=r"^jdbc:[a-z0-9]+:.+",
        description="JDBC url of the database, without a user and a password: Spark shows it.",
    )
    driver: str = Field(
        pattern=r"^[A-Za-z_][\w$]*(\.[A-Za-z_][\w$]*)*$", description="Class of the driver."
    )
    packages: tuple[str, ...] = Field(
        min_length=1, description="Maven coordinates of the driver, group:artifact:version."
    )
    session_statement: str | None = Field(
        default=None, min_length=1, description="SQL that each session begins with."
    )
    clock: str = Field(
        default="VALUES CURRENT_TIMESTAMP",
        min_length=1,
        description="SQL that returns the time of the database's clock.",
    )
    text: str = Field(
        default="CAST({column} AS VARCHAR(4000))",
        description="SQL that writes the value of a {column} as text.",
    )
    texts: Mapping[str, str] = Field(
        default_factory=dict,
        description=(
            "The same for single types, by the name that the database gives them. A binary type is "
            "read only where it is here, and then as hexadecimal digits."
        ),
    )
    timestamp_literal: str = Field(
        default="{{ts '{moment}'}}",
        description="How a time in UTC is written, with {moment} as 2024-05-01 10:20:30.000000.",
    )
    date_literal: str = Field(
        default="{{d '{day}'}}", description="How a date is written, with {day} as 2024-05-01."
    )

    @model_validator(mode="after")
    def _url_has_no_credentials(self) -> Self:
        if _CREDENTIALS.search(self.url):
            message = "the url has a user or a password: those are fields of the block"
            raise ValueError(message)
        return self

    @model_validator(mode="after")
    def _texts_are_of_a_column(self) -> Self:
        if any(COLUMN_PLACE not in each for each in (self.text, *self.texts.values())):
            message = "`text` and `texts` write the value of a {column}, which has to be in them"
            raise ValueError(message)
        return self

    @property
    def location(self) -> str:
        """Where the database is: the url without its parameters."""
        return re.split(r"[;?]", self.url.removeprefix("jdbc:"))[0]
