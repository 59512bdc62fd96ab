"""`strandline verify`: compare a table with its source, and show which keys differ."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields

from rich.console import RenderableType
from rich.text import Text

from contracts.errors import StrandlineError
from flows.verify_table import verify_table
from strandline.commands.temporary_prefect_server import start_temporary_server
from strandline.terminal.console_output import CommandOutput
from strandline.terminal.ctrl_c import end_on_interrupt
from strandline.terminal.number_format import count, many, second
from strandline.terminal.text_table import Heading, facts, text_table
from tasks.lifecycle.open_run import known_contracts
from tasks.run.progress_listeners import Progress, listening
from tasks.run.step_results import VerifyResult
from tasks.run.unexpected_errors import map_unexpected_errors

UNEQUAL = 65
"""EX_DATAERR of sysexits.h: the data has to be looked at."""

_KEYS = (Heading("found"), Heading("key", prose=True))


@dataclass(frozen=True, slots=True)
class VerifyOptions:
    """What was typed; `limit` is the most keys to name, `closing_limit` is for the repair."""

    repair: bool = False
    limit: int = 20
    closing_limit: int | None = None


def verify(screen: CommandOutput, table: str, asked: VerifyOptions, *, settings: str) -> int:
    """Compare, tell, and repair if asked to; 0 if they are equal in the end, else 65."""
    (name,) = known_contracts((table,), settings)
    with screen.waiting("Reading the source and the table"), listening(_stop_if_interrupted):
        start_temporary_server()
        try:
            with map_unexpected_errors(name):
                found = verify_table(name, settings, asked.repair, asked.limit, asked.closing_limit)
        except StrandlineError:
            end_on_interrupt()
            raise
    screen.answer(verify_data(found), *verify_page(found, width=screen.out.width))
    return 0 if state_of(found) != "different" else UNEQUAL


def state_of(found: VerifyResult) -> str:
    """'equal', 'different' or 'repaired'."""
    if not found.unequal:
        return "equal"
    return "different" if found.batch_id is None else "repaired"


def verify_data(found: VerifyResult) -> dict[str, object]:
    """The result in plain values, for `--json`."""
    told = {each.name: getattr(found, each.name) for each in fields(found)}
    return {"state": state_of(found), **told}


def verify_page(found: VerifyResult, *, width: int) -> list[RenderableType]:
    """What was compared, how many keys are not equal, and the first of them."""
    state = state_of(found)
    style = {"equal": "green", "repaired": "green", "different": "red"}[state]
    pairs = [
        ("read", f"{second(found.read_at)} by the source's clock"),
        ("rows of the source", count(found.rows_read)),
        ("open versions", count(found.open_versions)),
        ("only in the source", count(found.only_in_source)),
        ("only in the table", count(found.only_in_table)),
        ("differ", count(found.differing)),
        ("refused", count(found.refused)),
    ]
    if found.kept:
        pairs.append(("gone, and kept by contract", count(found.kept)))
    if found.batch_id is not None:
        pairs.append(("repaired by batch", found.batch_id))
    title = Text.assemble((found.target, "bold"), "  ", (state, style))
    parts: list[RenderableType] = [title, facts(pairs)]
    if found.keys:
        parts.append(
            text_table(_KEYS, [(each.found, each.key) for each in found.keys], width=width)
        )
    if 0 < len(found.keys) < found.unequal:
        parts.append(Text(f"{many(len(found.keys), 'key')} shown; --limit shows more", "dim"))
    return [*parts, *_next_steps(found)]


def _next_steps(found: VerifyResult) -> Iterable[Text]:
    commands = []
    if state_of(found) == "different":
        commands.append(f"strandline verify {found.contract} --repair")
    if found.refused:
        commands.append(f"strandline quarantine {found.contract}")
    return [Text.assemble(("next: ", "dim"), (command, "bold")) for command in commands]


def _stop_if_interrupted(_progress: Progress) -> None:
    """Spark tells an interruption as a failure of its own, which a step would try again after."""
    end_on_interrupt()
