"""A planned load as a page, and as plain values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields

from rich.console import RenderableType
from rich.text import Text

from strandline.commands.plan.planned_load import Estimate, PlannedLoad, TableChange
from strandline.terminal.error_panel import error_data, error_panel
from strandline.terminal.number_format import count, duration, many, moment, size
from strandline.terminal.text_table import Cell, facts

__all__ = ["plan_data", "plan_page"]

_NAMED = 6
"""So many names of columns or checks are listed; of more, the number."""


def plan_data(plans: Sequence[PlannedLoad]) -> dict[str, object]:
    """The plans in plain values, for `--json`."""
    return {
        "plans": [
            {each.name: getattr(plan, each.name) for each in fields(plan)}
            | {"problems": [error_data(error) for error in plan.problems]}
            for plan in plans
        ]
    }


def plan_page(plans: Sequence[PlannedLoad], *, width: int) -> list[RenderableType]:
    """Each plan with what would stop it, and what to type next."""
    parts: list[RenderableType] = []
    for plan in plans:
        state = ("would be refused", "bold red") if plan.problems else ("would run", "green")
        parts.append(Text.assemble((plan.target, "bold"), "  ", state))
        parts.append(facts([*_source(plan), *_table(plan.table), *_checks(plan), *_cost(plan)]))
        parts += [error_panel(error, width=width) for error in plan.problems]
        parts.append(Text())
    ready = [plan.contract for plan in plans if not plan.problems]
    if len(plans) > 1:
        parts.append(Text(f"{len(ready)} of {many(len(plans), 'load')} would run", "bold"))
    if ready:
        parts.append(Text(f"next: strandline run {' '.join(ready)}", no_wrap=True))
    return parts


def _source(plan: PlannedLoad) -> list[tuple[str, Cell]]:
    read = plan.read
    if plan.watermark is not None:
        read += f" {moment(plan.watermark)} (UTC)"
    rows = count(plan.rows)
    pairs: list[tuple[str, Cell]] = [
        ("source", plan.source),
        ("reads", read),
        ("rows", f"{rows}, {plan.rows_note}" if plan.rows_note else rows),
    ]
    if plan.kind_note:
        pairs.append(("read as", plan.kind_note))
    if plan.unread:
        pairs.append(("not in the contract", _listed(plan.unread)))
    return pairs


def _table(table: TableChange) -> list[tuple[str, Cell]]:
    if table.made:
        return [("table", f"is made, with {many(len(table.added), 'column')}")]
    pairs: list[tuple[str, Cell]] = []
    for words, columns in (("columns to add", table.added), ("columns to widen", table.widened)):
        if columns:
            pairs.append((words, ", ".join(f"{name} {kind}" for name, kind in columns)))
    if table.dropped:
        pairs.append(("columns to retire", f"{_listed(table.dropped)}; what is stored stays"))
    pairs += [(words, f"{before} → {after}") for words, before, after in table.settings]
    return pairs or [("table", "stays as it is")]


def _checks(plan: PlannedLoad) -> list[tuple[str, Cell]]:
    pairs: list[tuple[str, Cell]] = []
    if plan.new_checks:
        pairs.append(("new checks", _listed(plan.new_checks)))
    if plan.gone_checks:
        pairs.append(("checks that go", _listed(plan.gone_checks)))
    return pairs


def _cost(plan: PlannedLoad) -> list[tuple[str, Cell]]:
    estimate: Estimate | None = plan.estimate
    if estimate is None:
        return [("cost", "not known: no load of it is recorded yet")]
    written = "" if estimate.written is None else f", {size(estimate.written)} written"
    by = f"by {many(estimate.runs, 'load')} before"
    return [("cost", f"about {duration(estimate.seconds)}{written}; {by}")]


def _listed(names: Sequence[str]) -> str:
    if len(names) <= _NAMED:
        return ", ".join(names)
    return f"{', '.join(names[:_NAMED])} and {len(names) - _NAMED} more"
