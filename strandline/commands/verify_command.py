"""`strandline verify`: compare a table with its source, and show which keys differ."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields

from rich.console import RenderableType
from rich.text import Text

from contracts.errors import StrandlineError
from flows.verify_table import verify_table
from strandline.commands.temporary_prefect_server import temporary_server
from strandline.terminal.console_output import CommandOutput
from strandline.terminal.ctrl_c import end_on_interrupt
from strandline.terminal.number_format import count, many, second
from strandline.terminal.text_table import Heading, facts, text_table
from tasks.lifecycle.open_run import known_contracts
from tasks.run.progress_listeners import Progress, listening
from tasks.run.step_results import VerifyResult
from tasks.run.unexpected_errors import map_unexpected_errors

UNEQUAL = 65
"""EX_DATAERR of sysexits.h: the data needs attention."""

_KEYS = (Heading("found"), Heading("key", prose=True))


@dataclass(frozen=True, slots=True)
class VerifyOptions:
    """The options; `limit` is how many keys to name at most, `closing_limit` is for the repair."""

    repair: bool = False
    limit: int = 20
    closing_limit: int | None = None


def verify(screen: CommandOutput, table: str, options: VerifyOptions, *, settings: str) -> int:
    """Compare, print, and repair if requested; 0 if they are equal in the end, else 65."""
    (name,) = known_contracts((table,), settings)
    with screen.waiting("Reading the source and the table"), listening(_stop_if_interrupted):
        try:
            with temporary_server(), map_unexpected_errors(name):
                result = verify_table(
                    name, settings, options.repair, options.limit, options.closing_limit
                )
        except StrandlineError:
            end_on_interrupt()
            raise
    screen.answer(verify_data(result), *verify_page(result, width=screen.out.width))
    return 0 if state_of(result) != "different" else UNEQUAL


def state_of(result: VerifyResult) -> str:
    """'equal', 'different' or 'repaired'."""
    if not result.unequal:
        return "equal"
    return "different" if result.batch_id is None else "repaired"


def verify_data(result: VerifyResult) -> dict[str, object]:
    """The result in plain values, for `--json`."""
    values = {each.name: getattr(result, each.name) for each in fields(result)}
    return {"state": state_of(result), **values}


def verify_page(result: VerifyResult, *, width: int) -> list[RenderableType]:
    """What was compared, how many keys are not equal, and the first of them."""
    state = state_of(result)
    style = {"equal": "green", "repaired": "green", "different": "red"}[state]
    pairs = [
        ("read", f"{second(result.read_at)} by the source's clock"),
        ("rows of the source", count(result.rows_read)),
        ("open versions", count(result.open_versions)),
        ("only in the source", count(result.only_in_source)),
        ("only in the table", count(result.only_in_table)),
        ("differ", count(result.differing)),
        ("refused", count(result.refused)),
    ]
    if result.kept:
        pairs.append(("gone, and kept by contract", count(result.kept)))
    if result.batch_id is not None:
        pairs.append(("repaired by batch", result.batch_id))
    title = Text.assemble((result.target, "bold"), "  ", (state, style))
    parts: list[RenderableType] = [title, facts(pairs)]
    if result.keys:
        parts.append(
            text_table(_KEYS, [(each.found, each.key) for each in result.keys], width=width)
        )
    if 0 < len(result.keys) < result.unequal:
        parts.append(Text(f"{many(len(result.keys), 'key')} shown; --limit shows more", "dim"))
    return [*parts, *_next_steps(result)]


def _next_steps(result: VerifyResult) -> Iterable[Text]:
    commands = []
    if state_of(result) == "different":
        commands.append(f"strandline verify {result.contract} --repair")
    if result.refused:
        commands.append(f"strandline quarantine {result.contract}")
    return [Text.assemble(("next: ", "dim"), (command, "bold")) for command in commands]


def _stop_if_interrupted(_progress: Progress) -> None:
    """Spark reports an interruption as its own failure, after which a step would retry."""
    end_on_interrupt()
