"""What each role of a contract sees of its target, in words."""

from __future__ import annotations

from dataclasses import dataclass

from contracts.model import ColumnRight, Contract, Role, Shown, column_right

_ALTERED = (Shown.MASKED, Shown.NULL, Shown.REDACTED)


@dataclass(frozen=True, slots=True)
class DictionaryRole:
    """What there is to say of a role.

    Attributes:
        name: The role.
        description: What it is for, in the contract's words.
        columns: What it sees of each column, and why, in the contract's order.
        rows: Which rows it sees.
        decrypt: The encrypted columns that it may have decrypted.
    """

    name: str
    description: str
    columns: tuple[ColumnRight, ...]
    rows: str
    decrypt: tuple[str, ...]

    @property
    def stored(self) -> tuple[str, ...]:
        """The columns that it sees as they are stored."""
        return tuple(each.column for each in self.columns if each.shown is Shown.STORED)

    @property
    def altered(self) -> tuple[str, ...]:
        """The columns of which it sees something else, each with what."""
        altered = (each for each in self.columns if each.shown in _ALTERED)
        return tuple(f"{each.column} ({each.shown})" for each in altered)

    @property
    def hidden(self) -> tuple[str, ...]:
        """The columns that it does not see."""
        return tuple(each.column for each in self.columns if each.shown is Shown.HIDDEN)


def dictionary_roles(contract: Contract) -> tuple[DictionaryRole, ...]:
    """The roles, in the contract's order."""
    return tuple(
        DictionaryRole(
            role.name,
            role.description,
            tuple(column_right(role, each.name, each.classification) for each in contract.columns),
            rows_in_words(role, contract),
            role.decrypt,
        )
        for role in contract.roles
    )


def rows_in_words(role: Role, contract: Contract) -> str:
    """Which rows the role sees; each part of it has to hold."""
    words = []
    if contract.row_classification is not None:
        levels = " or ".join(role.row_level.up_to)
        words.append(f"{contract.row_classification} is {levels}")
    if role.rows.current:
        words.append("the version is open")
    if role.rows.where:
        words.append(f"({' '.join(role.rows.where.split())})")
    return " and ".join(words) or "all rows"
