"""The sections of a contract's page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from contracts.alerts import alert_time_windows
from contracts.model import Argument, Check, Condition, Contract, Severity, Shown
from contracts.schemas.data_dictionary import DictionaryColumn, dictionary_columns
from contracts.schemas.roles_in_words import DictionaryRole, dictionary_roles
from strandline.catalogue.state_words import freshness_mark, load_mark
from strandline.catalogue.table_state import TableState
from strandline.page_elements.html_elements import Html, element, joined
from strandline.page_elements.page_parts import columns_text, data_table, titled_section
from strandline.queries.parse_key_argument import example
from strandline.terminal.number_format import NOTHING, count, many, minute
from tasks.transforms.checks.figure_text import limit_text, threshold_text
from tasks.transforms.checks.limited_metrics import in_words

_SHOWN = {
    Shown.STORED: ("good", "✓", "as stored"),
    Shown.MASKED: ("warn", "◐", "masked"),
    Shown.NULL: ("muted", "○", "null"),
    Shown.REDACTED: ("muted", "○", "redacted"),
    Shown.HIDDEN: ("muted", "✕", "hidden"),
}


def columns_section(contract: Contract) -> Html:
    """Each column: what it means, its type, how sensitive it is, and what is stored of it."""
    rows = [_column_row(contract, each) for each in dictionary_columns(contract)]
    return titled_section(
        "columns",
        "Columns",
        data_table(
            f"{many(len(rows), 'column')} of the table",
            ("Column", "Meaning", "Type", "Stored as", "Classification", "Protection", "Undone by"),
            rows,
        ),
        class_="long",
    )


def roles_section(contract: Contract) -> Html:
    """What each role sees of each column, and of which rows."""
    roles = dictionary_roles(contract)
    if not roles:
        text = "The contract has no roles: no view shows anybody anything."
        return titled_section("roles", "What roles see", element("p", text))
    rights = data_table(
        "The roles",
        ("Role", "For", "Rows", "May have decrypted"),
        [
            (each.name, each.description or NOTHING, each.rows, ", ".join(each.decrypt) or NOTHING)
            for each in roles
        ],
    )
    seen = data_table(
        "Each column, by role",
        ("Column", *[each.name for each in roles]),
        [
            (column.name, *[_right(role, position) for role in roles])
            for position, column in enumerate(contract.columns)
        ],
    )
    return titled_section("roles", "What roles see", rights, seen, class_="long")


def checks_section(contract: Contract) -> Html:
    """The checks, and when a batch is published."""
    gate = contract.quality
    about = (
        f"A batch is published if its score is at least {threshold_text(gate.threshold)}, at most "
        f"{limit_text(gate.refused_percent)} of its rows are refused, and each limit on the whole "
        "batch that refuses is kept."
    )
    if not contract.checks:
        about = f"{about} The contract has no checks of its own."
        return titled_section("checks", "Checks", element("p", about))
    table = data_table(
        f"{many(len(contract.checks), 'check')}",
        ("Check", "Columns", "What has to hold", "A row that fails is", "Weight"),
        [_check_row(each) for each in contract.checks],
        numbers={4},
    )
    return titled_section("checks", "Checks", element("p", about), table, class_="long")


def promises_section(contract: Contract, state: TableState | None, now: datetime) -> Html:
    """Service level, retention and owner, beside the state of the table where it was read."""
    level = contract.service_level
    kept = NOTHING
    if contract.retention_days is not None:
        done = f", then {contract.retention.action}d" if contract.retention else ""
        kept = f"{many(contract.retention_days, 'day')}{done}"
    fresh = NOTHING if level.freshness_hours is None else f"{level.freshness_hours:g} h at most"
    rows: list[Sequence[str]] = [
        ("Owner", contract.owner, "who answers for the contract"),
        ("A load takes", f"{level.load_hours:g} h at most", "incremental"),
        ("A full load takes", f"{level.run_hours:g} h at most", ""),
        ("The newest row is", fresh, "old when it is loaded"),
        ("Rows are kept", kept, "since the record ended or was loaded"),
    ]
    parts = [data_table("What the contract promises", ("About", "Promise", "What it means"), rows)]
    if state is not None:
        found: list[Sequence[str]] = [
            ("Last load", load_mark(state), minute(state.loaded_at)),
            ("Newest row", freshness_mark(contract, state, now), minute(state.newest_row)),
            ("Published", minute(state.published_at), ""),
            ("Versions", f"{count(state.versions)}, {count(state.open_versions)} open", ""),
        ]
        parts.append(data_table("How the table is", ("About", "Found", "Of when (UTC)"), found))
    return titled_section("promises", "Promises", element("div", *parts, class_="pair"))


def source_section(contract: Contract) -> Html:
    """How the rows are read, what opens a version, and what to type."""
    source, history = contract.source, contract.history
    kind = "not said: each load finds out" if source.kind is None else str(source.kind)
    rows: list[Sequence[str]] = [
        ("Read from", f"{source.relation} of {source.connection}"),
        ("Its rows are", kind),
        ("Load", str(source.load)),
        ("Changes are ordered by", columns_text(source.sequence)),
        ("Read after", columns_text(source.watermark)),
        ("Read again", _span(source.overlap)),
        ("Key", columns_text(contract.key)),
        ("A version opens when one of these changes", columns_text(history.tracked)),
        ("A version is open while", _conditions(source.membership) or "the row is there"),
        ("Rows that change nothing", _conditions(source.ignore) or NOTHING),
        ("Partitioned by", columns_text(history.partitioning)),
    ]
    commands = (
        (f"strandline history {contract.name} {example(contract)}", "the versions of one record"),
        (f"strandline report {contract.name}", "how the newest batch was judged"),
        (f"strandline plan {contract.name}", "what the next run would do"),
        (f"strandline access {contract.name}", "which role sees what, and why"),
    )
    return titled_section(
        "source",
        "Source and history",
        data_table("How rows become versions", ("About", "What the contract says"), rows),
        element("h3", "Next steps"),
        element(
            "dl",
            *[
                element("div", element("dt", element("code", typed)), element("dd", why))
                for typed, why in commands
            ],
            class_="commands",
        ),
    )


def _column_row(contract: Contract, column: DictionaryColumn) -> Sequence[str]:
    notes = [
        words
        for words, holds in (
            ("key", column.name in contract.key),
            ("tracked", column.name in contract.history.tracked),
            ("may be null", column.nullable),
        )
        if holds
    ]
    return (
        element(
            "span",
            column.name,
            *([element("small", ", ".join(notes))] if notes else []),
            id=f"column-{column.name}",
        ),
        " ".join(column.meaning.split()) or NOTHING,
        column.type,
        column.stored_as,
        column.classification,
        joined((column.protection, element("small", f"said by {column.said_by}")))
        if column.protection
        else NOTHING,
        column.undone_by or NOTHING,
    )


def _right(role: DictionaryRole, position: int) -> Html:
    right = role.columns[position]
    kind, sign, words = _SHOWN[right.shown]
    if right.shown is Shown.MASKED:
        words = f"{words} but for {right.keep}"
    mark = element("span", sign, aria_hidden="true")
    return joined(
        (element("span", mark, f" {words}", class_=f"{kind} nowrap"), element("small", right.why))
    )


def _check_row(check: Check) -> Sequence[str]:
    effect = "refused" if check.severity is Severity.REFUSE else "counted"
    if check.threshold is not None:
        stops = "stops the batch" if check.severity is Severity.REFUSE else "is a warning"
        effect = f"counted; more than allowed {stops}"
    limit = "" if check.threshold is None else in_words(check.threshold)
    return (
        joined((check.id, element("small", check.dimension))),
        columns_text(check.columns),
        joined((check.rule.replace("_", " "), element("small", _words(check.arguments, limit)))),
        effect,
        f"{check.weight:g}",
    )


def _words(arguments: Mapping[str, Argument], limit: str) -> str:
    words = [f"{name.replace('_', ' ')}: {_argument(value)}" for name, value in arguments.items()]
    return "; ".join([*words, *([limit] if limit else [])])


def _argument(value: Argument) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} → {to}" for name, to in value.items())
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    return str(value)


def _conditions(conditions: Sequence[Condition]) -> str:
    return " and ".join(
        " ".join(
            (
                each.column,
                each.operator.replace("_", " "),
                ", ".join(str(value) for value in each.values),
            )
        ).strip()
        for each in conditions
    )


def _span(overlap: timedelta) -> str:
    return (
        f"the last {alert_time_windows.words(overlap)} before the watermark" if overlap else NOTHING
    )
