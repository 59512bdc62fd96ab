"""`strandline access`: which role sees what of a table, and having catalogs enforce it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from rich.console import RenderableType
from rich.text import Text

from blocks.lookup import block_lookup
from contracts.errors import SettingsError, UsageError
from contracts.model import Contract, Shown
from history.iceberg.history_table import kept_events
from history.reading.role_views import role_view
from strandline.queries.open_lakehouse import Lakehouse, contract_of, open_lakehouse
from strandline.queries.role_overview import RoleOverview, overview_of
from strandline.terminal.console_output import CommandOutput
from strandline.terminal.number_format import NOTHING, count, value
from strandline.terminal.text_table import Heading, facts, text_table
from tasks.access.grant_statements import grant_statements
from tasks.access.lake_formation_filters import FilterChanges, GlueTable, account_of, apply_filters
from tasks.compiler.compile_role_rights import RoleRights, compile_role_rights, rights_of
from tasks.create_views import ViewChange, refresh_views
from tasks.observability.audit_log import AuditAction, AuditEntry, current_actor, record_audit
from tasks.run.run_context import ledger_table
from tasks.run.spark_error_mapping import map_spark_errors

_COMMAND = "strandline access --apply"
_ROLES = (
    Heading("role"),
    Heading("shown", number=True),
    Heading("masked", number=True),
    Heading("hidden", number=True),
    Heading("rows", prose=True),
    Heading("may decrypt", prose=True),
)
_COLUMNS = (Heading("column"), Heading("seen"), Heading("why", prose=True))
_STYLES = {Shown.STORED: "green", Shown.HIDDEN: "dim"}


@dataclass(frozen=True, slots=True)
class AccessOptions:
    """The options: a role to look as, with example rows; or the grants; or what to apply."""

    role: str | None = None
    rows: int = 0
    grants: bool = False
    apply: str | None = None


def access(screen: CommandOutput, table: str, options: AccessOptions, *, settings: str) -> None:
    """The roles of a table; what one sees; their grants; or have them enforced."""
    _check(options)
    run_settings = block_lookup.settings(settings)
    contract = contract_of(table, run_settings)
    if options.role is not None:
        rights = rights_of(contract, options.role)
        with screen.waiting("Opening the lakehouse"):
            lake = open_lakehouse(run_settings)
            with map_spark_errors(contract.name, "access"):
                overview = overview_of(lake, contract, rights, rows=options.rows)
        screen.answer(overview, *overview_page(overview, width=screen.out.width))
        return
    roles = compile_role_rights(contract)
    target = f"{run_settings.lakehouse.catalog}.{contract.target}"
    if options.grants:
        others = (kept_events(target), ledger_table(run_settings, "quarantine"))
        statements = grant_statements(target, roles, others)
        screen.answer(
            {"statements": statements}, *(Text(each, no_wrap=True) for each in statements)
        )
        return
    if options.apply is None:
        screen.answer(_roles_data(target, roles), *roles_page(target, roles, screen.out.width))
        return
    with screen.waiting("Opening the lakehouse"):
        lake = open_lakehouse(run_settings, shared=False)
        with map_spark_errors(contract.name, "access"):
            apply = apply_views if options.apply == "views" else apply_lake_formation
            done = apply(lake, contract, roles)
    screen.answer({"table": target, **done}, Text(target, "bold"), facts(_done(done)))


def overview_page(overview: RoleOverview, *, width: int) -> list[RenderableType]:
    """The role, its rows, its columns with the reasons, and the rows that were asked for."""
    pairs = [
        ("rows", overview.rows),
        ("visible", f"{count(overview.visible)} of {count(overview.total)}"),
        ("may decrypt", ", ".join(overview.decrypt) or NOTHING),
        ("view", overview.view or "none in the catalog"),
    ]
    title = Text.assemble((overview.table, "bold"), f"  as {overview.role}")
    columns = [
        (each.column, Text(str(each.shown), _STYLES.get(each.shown, "yellow")), each.why)
        for each in overview.columns
    ]
    columns += [
        (name, Text(str(Shown.HIDDEN), "dim"), "not in the contract")
        for name in overview.not_in_contract
    ]
    parts: list[RenderableType] = [title]
    if overview.description:
        parts.append(Text(overview.description, "dim"))
    parts += [facts(pairs), text_table(_COLUMNS, columns, width=width)]
    return [*parts, *rows_page(overview.examples, width=width)]


def rows_page(rows: Sequence[object], *, width: int) -> list[RenderableType]:
    """Rows as they are shown, under the names of their columns."""
    shown = [row for row in rows if isinstance(row, dict)]
    if not shown:
        return []
    headings = [Heading(name) for name in shown[0]]
    cells = [[value(cell) for cell in row.values()] for row in shown]
    return [text_table(headings, cells, width=width)]


def roles_page(table: str, roles: Sequence[RoleRights], width: int) -> list[RenderableType]:
    """One line a role."""
    title = Text(table, "bold")
    if not roles:
        return [title, Text("the contract has no roles: nobody is shown anything by a view")]
    rows = [
        (
            each.role,
            count(_number(each, Shown.STORED)),
            count(_number(each, Shown.MASKED, Shown.NULL, Shown.REDACTED)),
            count(_number(each, Shown.HIDDEN)),
            each.rows,
            ", ".join(each.decrypt) or NOTHING,
        )
        for each in roles
    ]
    return [title, text_table(_ROLES, rows, width=width)]


def _check(options: AccessOptions) -> None:
    given = [options.role is not None, options.grants, options.apply is not None]
    if sum(given) > 1 or (options.rows and options.role is None):
        raise UsageError(
            where="strandline access",
            expected="--as ROLE, perhaps with --rows, or --grants, or --apply",
            found="another combination",
            next_step="strandline access --help",
        )


def _roles_data(table: str, roles: Sequence[RoleRights]) -> dict[str, object]:
    return {
        "table": table,
        "roles": [
            {
                "role": each.role,
                "access": each.access,
                "description": each.description,
                "columns": each.columns,
                "rows": each.rows,
                "decrypt": tuple(each.decrypt),
                "view": role_view(table, each.role) if each.expressions else None,
            }
            for each in roles
        ],
    }


def _number(rights: RoleRights, *shown: Shown) -> int:
    return len([each for each in rights.columns if each.shown in shown])


def apply_views(
    lake: Lakehouse, contract: Contract, roles: tuple[RoleRights, ...]
) -> dict[str, tuple[str, ...]]:
    """Make the views of the catalog what the contract says; what was done, by kind.

    Raises:
        SettingsError: The catalog keeps no views.
    """
    lake.versions(contract)
    table = lake.target(contract)
    change = ViewChange(contract.name, contract.version, f"{_COMMAND} views")
    done = refresh_views(lake.spark, lake.settings, table, roles, change, at=datetime.now(UTC))
    if done is None:
        raise SettingsError(
            where=table,
            expected="a catalog that keeps views",
            found="one that keeps none",
            next_step="Have the engine that readers use enforce the roles: docs/access.md.",
        )
    return {"written": done.written, "unchanged": done.unchanged, "dropped": done.dropped}


def apply_lake_formation(
    lake: Lakehouse, contract: Contract, roles: tuple[RoleRights, ...]
) -> dict[str, tuple[str, ...]]:
    """Make AWS Lake Formation's filters what the contract says; what was done, by kind.

    Raises:
        SettingsError: The catalog is none that Lake Formation knows, or AWS refuses.
    """
    lakehouse, table = lake.settings.lakehouse, lake.target(contract)
    if lakehouse.kind != "glue":
        raise SettingsError(
            where=f"lakehouse {lakehouse.catalog}",
            expected="a Glue catalog, whose tables AWS Lake Formation knows",
            found=f"a {lakehouse.kind} catalog",
            next_step=f"strandline access {contract.name} --apply views",
        )
    columns = lake.versions(contract).columns

    def announce(plan: FilterChanges) -> None:
        details = {
            name: ", ".join(getattr(plan, name)) for name in ("created", "updated", "deleted")
        }
        entry = AuditEntry(
            action=AuditAction.GRANT,
            subject=table,
            actor=current_actor(),
            reason=f"{_COMMAND} lake-formation",
            contract=contract.name,
            contract_version=contract.version,
            details=details,
        )
        record_audit(lake.spark, lake.settings, [entry], at=datetime.now(UTC))

    account = account_of(lakehouse.aws_client("sts"))
    named = GlueTable(account, contract.namespace, contract.table)
    client = lakehouse.aws_client("lakeformation")
    done = apply_filters(client, named, roles, columns, announce)
    return {
        "created": done.created,
        "updated": done.updated,
        "deleted": done.deleted,
        "unchanged": done.unchanged,
    }


def _done(done: dict[str, tuple[str, ...]]) -> list[tuple[str, str]]:
    return [(name, ", ".join(roles) or NOTHING) for name, roles in done.items()]
