"""What a role may read of a table, column by column, and why.

Promise: deny by default. A column is shown only if the role's level covers its classification or
the contract names it; a role without words has the level PUBLIC. A column that a contract gains is
hidden from every role whose level is below its classification.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from contracts.model.access.classification import Classification


class AboveLevel(StrEnum):
    """What a role gets of a column above its level.

    HIDE: the column is not there. NULLIFY: it is null in each row. REDACT: a constant in each row.
    None of them tells whether the stored value is null.
    """

    HIDE = "hide"
    NULLIFY = "nullify"
    REDACT = "redact"


class Shown(StrEnum):
    """What a role sees of one column."""

    STORED = "shown"
    MASKED = "masked"
    NULL = "null"
    REDACTED = "redacted"
    HIDDEN = "hidden"


@dataclass(frozen=True, slots=True)
class RowRight:
    """Which rows a role sees; each part that is given has to hold.

    Attributes:
        level: Up to which classification of the row, where the table classifies its rows; None:
            up to the role's own level.
        current: Only open versions.
        where: A condition over target columns (`contracts.expressions`); empty: none. A row for
            which it is unknown is not shown.
    """

    level: Classification | None = None
    current: bool = False
    where: str = ""


@dataclass(frozen=True, slots=True)
class Role:
    """One role of a contract.

    Attributes:
        name: Its name, also the end of its view's name.
        access: What it is for, in the standard's word: read, or write.
        description: In words.
        level: Up to which classification it sees columns as they are stored.
        above: What it gets of the others.
        allow: Columns that it sees as they are stored, whatever their classification.
        deny: Columns that it does not see, whatever their classification.
        mask: Columns of which it sees the first characters, so many at most.
        rows: Which rows it sees.
        decrypt: Encrypted columns that it may have decrypted.
    """

    name: str
    access: str = ""
    description: str = ""
    level: Classification = Classification.PUBLIC
    above: AboveLevel = AboveLevel.HIDE
    allow: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()
    mask: Mapping[str, int] = field(default_factory=dict)
    rows: RowRight = RowRight()
    decrypt: tuple[str, ...] = ()

    @property
    def row_level(self) -> Classification:
        """Up to which classification of rows it sees them."""
        return self.rows.level or self.level


@dataclass(frozen=True, slots=True)
class ColumnRight:
    """What a role sees of one column, and why. `keep`: the characters that a mask leaves."""

    column: str
    shown: Shown
    why: str
    keep: int = 0


_ABOVE = {
    AboveLevel.HIDE: Shown.HIDDEN,
    AboveLevel.NULLIFY: Shown.NULL,
    AboveLevel.REDACT: Shown.REDACTED,
}


def column_right(role: Role, name: str, classification: Classification) -> ColumnRight:
    """What the role sees of a column: a name counts before a level, and a denial before all."""
    if name in role.deny:
        return ColumnRight(name, Shown.HIDDEN, "denied by name")
    if name in role.mask:
        return ColumnRight(name, Shown.MASKED, "masked by name", role.mask[name])
    if name in role.allow:
        return ColumnRight(name, Shown.STORED, "allowed by name")
    if classification in role.level.up_to:
        return ColumnRight(name, Shown.STORED, f"{classification}, within {role.level}")
    return ColumnRight(name, _ABOVE[role.above], f"{classification}, above {role.level}")
