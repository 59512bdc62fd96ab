"""What a person decides about legal holds, carried out.

Promise: no value of a row is in an answer or in an error. No flow runs here, whose parameters
others could read.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from rich.console import RenderableType
from rich.text import Text

from blocks.lookup import block_lookup
from contracts.errors import UsageError
from contracts.model import Contract
from strandline.queries.legal_hold_list import LegalHold, read_legal_holds
from strandline.queries.open_lakehouse import Lakehouse, contract_of, open_lakehouse
from strandline.queries.read_subjects import read_subjects
from strandline.terminal.console_output import CommandOutput
from strandline.terminal.number_format import NOTHING, count, many, second
from strandline.terminal.text_table import Heading, facts, text_table
from tasks.erasure.data_subjects import data_subjects
from tasks.erasure.legal_holds import LEGAL_HOLDS, HoldRequest, place_hold, release_holds
from tasks.run.spark_error_mapping import map_spark_errors

_TABLE = (
    Heading("hold"),
    Heading("table"),
    Heading("since"),
    Heading("persons", number=True),
    Heading("matter", prose=True),
    Heading("placed by", spare=True),
    Heading("digests", prose=True, spare=True),
)


@dataclass(frozen=True, slots=True)
class Chosen:
    """Whom or what it is about: persons, typed or in a file, and a hold."""

    typed: tuple[str, ...]
    file: str | None
    hold_id: str | None = None

    @property
    def names_persons(self) -> bool:
        """Whether persons are named."""
        return bool(self.typed) or self.file is not None


def decision_of(by: str, reason: str) -> HoldRequest:
    """A decision of this moment."""
    return HoldRequest(by, reason, datetime.now(UTC), str(uuid.uuid4()))


def place(
    screen: CommandOutput,
    table: str,
    chosen: Chosen,
    decision: HoldRequest,
    *,
    matter: str,
    settings: str,
) -> None:
    """Place a hold and say on how many persons, and whether the table has rows about them."""
    contract = contract_of(table, block_lookup.settings(settings))
    persons = read_subjects(chosen.typed, chosen.file, contract)
    lake = _opened(screen, settings)
    with screen.waiting("Placing the hold"), map_spark_errors(contract.name, "hold"):
        subjects = data_subjects(lake.spark, lake.settings, contract, persons)
        placed = place_hold(lake.spark, subjects, decision, matter=matter)
    title = Text.assemble((placed.table, "bold"), f"  hold {placed.hold_id}")
    pairs = [("persons", count(placed.persons)), ("in the table", count(placed.in_table))]
    parts: list[RenderableType] = [title, facts(pairs)]
    if placed.in_table < placed.persons:
        missing = placed.persons - placed.in_table
        parts.append(Text(f"{many(missing, 'person')} in no row yet: held from the first row on"))
    screen.answer(placed, *parts)


def release(
    screen: CommandOutput, table: str, chosen: Chosen, decision: HoldRequest, *, settings: str
) -> None:
    """Release holds and say which, and who is under another one."""
    contract = contract_of(table, block_lookup.settings(settings))
    if chosen.hold_id is None and not chosen.names_persons:
        raise UsageError(
            where="strandline hold release",
            expected="--hold ID, --subject COLUMN=VALUE or --subjects-from FILE",
            found="none of them",
            next_step=f"strandline hold list {contract.name}",
        )
    persons = None
    if chosen.names_persons:
        persons = read_subjects(chosen.typed, chosen.file, contract)
    lake = _opened(screen, settings)
    with screen.waiting("Releasing"), map_spark_errors(contract.name, "hold"):
        subjects = None
        if persons is not None:
            subjects = data_subjects(lake.spark, lake.settings, contract, persons)
        released = release_holds(
            lake.spark,
            lake.settings,
            contract,
            decision,
            hold_id=chosen.hold_id,
            subjects=subjects,
        )
    title = Text.assemble(
        (released.table, "bold"), f"  {many(released.persons, 'person')} released"
    )
    parts: list[RenderableType] = [title, facts([("holds", ", ".join(released.hold_ids))])]
    if released.still_held:
        parts.append(Text(f"{many(released.still_held, 'person')} under another hold still"))
    screen.answer(released, *parts)


def show(screen: CommandOutput, table: str | None, *, released: bool, settings: str) -> None:
    """Print the holds of a table, or of all."""
    contracts: Sequence[Contract] = ()
    if table is not None:
        contracts = [contract_of(table, block_lookup.settings(settings))]
    lake = _opened(screen, settings)
    with screen.waiting("Reading the holds"), map_spark_errors(LEGAL_HOLDS, "show"):
        ledger = lake.ledger(LEGAL_HOLDS)
        holds = (
            []
            if ledger is None
            else read_legal_holds(
                ledger, tables=[lake.target(each) for each in contracts], also_released=released
            )
        )
    screen.answer({"holds": holds}, *_page(holds, width=screen.out.width))


def _opened(screen: CommandOutput, settings: str) -> Lakehouse:
    with screen.waiting("Opening the lakehouse"):
        return open_lakehouse(block_lookup.settings(settings), shared=False)


def _page(holds: Sequence[LegalHold], *, width: int) -> list[RenderableType]:
    if not holds:
        return [Text("no legal hold")]
    rows = [
        (
            each.hold_id,
            each.table,
            second(each.placed_at),
            count(each.held) if each.held else f"{NOTHING} (released)",
            each.matter,
            each.placed_by,
            ", ".join(each.digests),
        )
        for each in holds
    ]
    return [text_table(_TABLE, rows, width=width)]
