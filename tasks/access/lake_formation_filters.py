"""The roles of a table as data cells filters of AWS Lake Formation.

Promise: what a role must no longer see is taken away before anything is added. A filter shows only
columns that the role sees as they are stored: Lake Formation has no masks, so a masked, nulled or
redacted column is not there at all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from contracts.errors import ContractError, LakehouseUnavailableError, SettingsError
from tasks.compiler.compile_role_rights import RoleRights

_BEGINNING = "strandline__"
_LONGEST = 2048
"""Characters of a row filter expression (API reference, RowFilter)."""
_SERVER_ERROR = 500
_PASSING = ("Throttl", "ConcurrentModification", "OperationTimeout")

AwsClient = Any
"""A boto3 client; its methods are made at run time."""


@dataclass(frozen=True, slots=True)
class GlueTable:
    """A table as Lake Formation names it: the account, the database and the table."""

    account: str
    database: str
    name: str


@dataclass(frozen=True, slots=True)
class FilterChanges:
    """The roles whose filters have to be created, replaced or deleted, and those that are right."""

    created: tuple[str, ...] = ()
    updated: tuple[str, ...] = ()
    deleted: tuple[str, ...] = ()
    unchanged: tuple[str, ...] = ()

    @property
    def changes(self) -> bool:
        """Whether anything has to be done."""
        return bool(self.created or self.updated or self.deleted)


def filter_name(role: str) -> str:
    """The name of a role's filter."""
    return f"{_BEGINNING}{role}"


def data_cells_filter(
    table: GlueTable, rights: RoleRights, columns: Sequence[str]
) -> dict[str, object] | None:
    """A role's filter as `CreateDataCellsFilter` takes it; None: the role sees no column.

    Args:
        table: The table.
        rights: What the role sees.
        columns: The columns that the table has.

    Raises:
        ContractError: Lake Formation can't enforce the role's row filter.
    """
    where = f"{table.database}.{table.name}"
    shown = [name for name in rights.stored_columns if name in set(columns)]
    text = rights.lake_formation_filter(where)
    if len(text) >= _LONGEST:
        raise ContractError(
            where=f"{where}, role {rights.role}",
            expected=f"a row filter below {_LONGEST} characters, which AWS Lake Formation takes",
            found=f"one of {len(text)}",
            next_step="Shorten rows.where of the role.",
        )
    if not shown:
        return None
    return {
        "TableCatalogId": table.account,
        "DatabaseName": table.database,
        "TableName": table.name,
        "Name": filter_name(rights.role),
        "RowFilter": {"FilterExpression": text} if text else {"AllRowsWildcard": {}},
        "ColumnNames": shown,
    }


def apply_filters(
    client: AwsClient,
    table: GlueTable,
    roles: Sequence[RoleRights],
    columns: Sequence[str],
    announce: Callable[[FilterChanges], None],
) -> FilterChanges:
    """Make Strandline's filters of the table those of the roles; filters of others are left alone.

    All are compiled before the first request that changes something, so that a role that can't be
    enforced changes nothing. `announce` is called with what will be done, before it is done.

    Raises:
        ContractError: Lake Formation can't enforce a role's row filter; nothing was changed.
        SettingsError: AWS refuses the credentials or the request.
        LakehouseUnavailableError: AWS does not answer.
    """
    compiled = {each.role: data_cells_filter(table, each, columns) for each in roles}
    wanted = {role: entry for role, entry in compiled.items() if entry is not None}
    where = f"AWS Lake Formation, {table.database}.{table.name}"
    known = _called(where, lambda: _known(client, table))
    changes = FilterChanges(
        created=tuple(role for role in wanted if role not in known),
        updated=tuple(r for r in wanted if r in known and not _same(known[r], wanted[r])),
        deleted=tuple(role for role in known if role not in wanted),
        unchanged=tuple(r for r in wanted if r in known and _same(known[r], wanted[r])),
    )
    if not changes.changes:
        return changes
    announce(changes)
    for role in changes.deleted:
        name = {
            "TableCatalogId": table.account,
            "DatabaseName": table.database,
            "TableName": table.name,
            "Name": filter_name(role),
        }
        _called(where, partial(client.delete_data_cells_filter, **name))
    for role in changes.updated:
        _called(where, partial(client.update_data_cells_filter, TableData=wanted[role]))
    for role in changes.created:
        _called(where, partial(client.create_data_cells_filter, TableData=wanted[role]))
    return changes


def account_of(client: AwsClient) -> str:
    """The AWS account of the credentials, from STS.

    Raises:
        SettingsError: AWS refuses the credentials.
        LakehouseUnavailableError: AWS does not answer.
    """
    answer = _called("AWS STS", client.get_caller_identity)
    return str(answer["Account"])


def _known(client: AwsClient, table: GlueTable) -> dict[str, Mapping[str, Any]]:
    """Strandline's filters of the table, by role."""
    named = {"CatalogId": table.account, "DatabaseName": table.database, "Name": table.name}
    found: dict[str, Mapping[str, Any]] = {}
    token: str | None = None
    while True:
        more: dict[str, str] = {} if token is None else {"NextToken": token}
        page = client.list_data_cells_filter(Table=named, **more)
        for entry in page.get("DataCellsFilters", ()):
            if entry["Name"].startswith(_BEGINNING):
                found[entry["Name"].removeprefix(_BEGINNING)] = entry
        token = page.get("NextToken")
        if not token:
            return found


def _same(known: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Whether a filter shows what it should; the order of its columns makes no difference.

    A wildcard of columns is never the same: it would show a column that the table gains.
    """
    if known.get("ColumnWildcard") is not None:
        return False
    rows, other = known.get("RowFilter") or {}, wanted["RowFilter"]
    if rows.get("FilterExpression") != other.get("FilterExpression"):
        return False
    return {*known.get("ColumnNames", ())} == {*wanted["ColumnNames"]}


def _called(where: str, call: Callable[[], Any]) -> Any:
    try:
        return call()
    except ClientError as error:
        status = error.response["ResponseMetadata"]["HTTPStatusCode"]
        code = error.response["Error"]["Code"]
        found = f"{code} (HTTP {status})"
        if status >= _SERVER_ERROR or any(each in code for each in _PASSING):
            raise _unavailable(where, found) from None
        raise SettingsError(
            where=where,
            expected="the right to manage data cells filters of this table",
            found=found,
            next_step="Have the lakehouse's credentials made a data lake administrator, or grant "
            "them the table with grant option; then run again.",
        ) from None
    except BotoCoreError as error:
        raise _unavailable(where, type(error).__name__) from None


def _unavailable(where: str, found: str) -> LakehouseUnavailableError:
    return LakehouseUnavailableError(
        where=where,
        expected="an answer",
        found=found,
        next_step="Run it again: filters that are right already are left as they are.",
    )
