"""The parameters of flows, as the form of a deployment asks for them.

What no name looks like (nothing, or words with blanks) is refused before there is a run. Whether a
contract or a block of that name exists is known only where the run takes place.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

__all__ = ["ContractName", "KeyCount", "SettingsName"]

_NO_BLANKS = r"^\S+$"

ContractName = Annotated[
    str, Field(pattern=_NO_BLANKS, examples=["aircraft", "target_schema.aircraft"])
]
"""The name of a contract, or of its target table."""

KeyCount = Annotated[int, Field(ge=0)]
"""A number of keys."""

SettingsName = Annotated[str, Field(pattern=_NO_BLANKS, examples=["default"])]
"""The name of a run settings block."""
