"""The parameters of flows, as the form of a deployment shows them.

A value that can't be a name (empty, or with blanks) is refused before a run starts. Whether a
contract or a block of that name exists can be checked only where the run takes place.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

__all__ = ["ContractName", "KeyCount", "Minutes", "SettingsName"]

_NO_BLANKS = r"^\S+$"

ContractName = Annotated[
    str, Field(pattern=_NO_BLANKS, examples=["aircraft", "target_schema.aircraft"])
]
"""The name of a contract, or of its target table."""

KeyCount = Annotated[int, Field(ge=0)]
"""A number of keys."""

Minutes = Annotated[int, Field(ge=0, le=10_080)]
"""A number of minutes, a week at most."""

SettingsName = Annotated[str, Field(pattern=_NO_BLANKS, examples=["default"])]
"""The name of a run settings block."""
