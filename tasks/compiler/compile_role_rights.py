"""The roles of a contract as what a view needs: an expression per column, and one row filter.

Promise: deny by default. What a role's level does not cover and its contract does not name is in
no expression; a row whose classification is null or unknown is not shown; a condition that is
unknown hides its row. No expression contains a key, or decrypts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from contracts.errors import ContractError, NotFoundError
from contracts.expressions import (
    LAKE_FORMATION,
    SPARK,
    Expression,
    ExpressionError,
    row_filter,
    row_filter_sql,
)
from contracts.expressions.expression_tree import Call, Constant, Name
from contracts.model import ColumnRight, Contract, Role, Shown, column_right
from contracts.schemas.contract_to_spark_types import stored_type
from contracts.schemas.roles_in_words import rows_in_words
from contracts.yaml_reading.problem_report import did_you_mean
from history.spark.column_quoting_and_comparison import quoted
from tasks.transforms.protection.masking import MASK, SHARE, SHORTEST_SHOWN


@dataclass(frozen=True, slots=True)
class RoleRights:
    """What a role sees of a table.

    Attributes:
        role: Its name.
        access: What it is for, in the contract's word.
        description: In the contract's words.
        columns: What it sees of each column of the contract, and why, in the contract's order.
        expressions: Spark SQL by column, for those that it sees in some form.
        row_filter: What holds of each row that it sees; None: it sees all.
        rows: The same in words.
        decrypt: Columns that it may have decrypted, with the types of their clear values.
    """

    role: str
    access: str
    description: str
    columns: tuple[ColumnRight, ...]
    expressions: Mapping[str, str]
    row_filter: Expression | None
    rows: str
    decrypt: Mapping[str, str]

    @property
    def row_filter_sql(self) -> str:
        """The row filter in Spark SQL; empty: all rows."""
        return "" if self.row_filter is None else row_filter_sql(self.row_filter, SPARK)

    @property
    def stored_columns(self) -> tuple[str, ...]:
        """The columns that it sees as they are stored."""
        return tuple(each.column for each in self.columns if each.shown is Shown.STORED)

    def lake_formation_filter(self, where: str) -> str:
        """The row filter for AWS Lake Formation; empty: all rows.

        Raises:
            ContractError: Lake Formation can't enforce it.
        """
        if self.row_filter is None:
            return ""
        try:
            return row_filter_sql(self.row_filter, LAKE_FORMATION)
        except ExpressionError as error:
            raise ContractError(
                where=f"{where}, role {self.role}",
                expected="a row filter that AWS Lake Formation can enforce",
                found=error.found,
                next_step=f"In rows.where of the role, {error.suggestion}.",
            ) from None


def compile_role_rights(contract: Contract) -> tuple[RoleRights, ...]:
    """The rights of each role, in the contract's order."""
    return tuple(_rights(role, contract) for role in contract.roles)


def rights_of(contract: Contract, name: str) -> RoleRights:
    """The rights of one role.

    Raises:
        NotFoundError: The contract has no such role.
    """
    for role in contract.roles:
        if role.name == name:
            return _rights(role, contract)
    known = [role.name for role in contract.roles]
    hint = did_you_mean(name, known)
    raise NotFoundError(
        where=f"the roles of {contract.name}",
        expected=f"one of {', '.join(known)}" if known else "a contract with roles",
        found="another name" + (f"; {hint}" if hint.startswith("did") else ""),
        next_step="Correct the name, or add the role to the contract: docs/access.md.",
    )


def _rights(role: Role, contract: Contract) -> RoleRights:
    columns = tuple(column_right(role, each.name, each.classification) for each in contract.columns)
    kinds = {each.name: stored_type(each).simpleString() for each in contract.columns}
    conditions = tuple(_conditions(role, contract))
    return RoleRights(
        role=role.name,
        access=role.access,
        description=role.description,
        columns=columns,
        expressions={
            each.column: _expression(each, kinds[each.column])
            for each in columns
            if each.shown is not Shown.HIDDEN
        },
        row_filter=_all(conditions),
        rows=rows_in_words(role, contract),
        decrypt={name: contract.column(name).type for name in role.decrypt},
    )


def _expression(right: ColumnRight, kind: str) -> str:
    name = quoted(right.column)
    match right.shown:
        case Shown.STORED:
            return name
        case Shown.MASKED:
            return _masked(name, right.keep)
        case Shown.REDACTED:
            return f"'{MASK}'"
    return f"CAST(NULL AS {kind})"


def _masked(name: str, keep: int) -> str:
    """The SQL of `tasks.transforms.protection.masking.masked`."""
    length = f"char_length({name})"
    shown = (
        f"CASE WHEN {length} < {SHORTEST_SHOWN} THEN 0 "
        f"ELSE least({keep}, CAST(floor({length} / {SHARE}) AS INT)) END"
    )
    return f"concat(substring({name}, 1, {shown}), '{MASK}')"


def _conditions(role: Role, contract: Contract) -> list[Expression]:
    found: list[Expression] = []
    if contract.row_classification is not None:
        # A list of what may be seen, not of what may not: a null or an unknown word is in no list.
        levels = tuple(Constant(str(level)) for level in role.row_level.up_to)
        found.append(Call("in", (Name(contract.row_classification), *levels)))
    flag = contract.generated("is_current")
    if role.rows.current and flag is not None:
        found.append(Name(flag.name))
    if role.rows.where:
        kinds = {each.name: each.type for each in contract.columns if each.protection is None}
        found.append(row_filter(role.rows.where, kinds))
    return found


def _all(conditions: Sequence[Expression]) -> Expression | None:
    if len(conditions) > 1:
        return Call("and", tuple(conditions))
    return conditions[0] if conditions else None
