"""The steps of a release by commands, and what each of them shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from rich.console import RenderableType
from rich.text import Text

from blocks.lookup import block_lookup
from contracts.errors import NotFoundError
from flows.release import release_steps, release_table
from flows.run_page.release_artifacts import differences_of, figures_of, notes_of
from history.release.release_record import EVERYONE, Release, release_of
from strandline.commands.quarantine.quarantine_command import Decider
from strandline.commands.temporary_prefect_server import temporary_server
from strandline.queries.open_lakehouse import contract_of, open_lakehouse
from strandline.terminal.ask_user import NOT_AGREED, agreed
from strandline.terminal.console_output import CommandOutput
from strandline.terminal.number_format import count, many
from strandline.terminal.text_table import Heading, facts, text_table
from tasks.release.compare_release import ReleaseComparison
from tasks.release.release_place import Decided

_WAITING = "Working"


def start(
    screen: CommandOutput,
    table: str,
    contract: Path,
    seed: Literal["history", "source"],
    decider: Decider,
    *,
    settings: str,
) -> int:
    """Begin a release; the exit code is 65 where green could not be loaded."""
    with screen.waiting(_WAITING), temporary_server():
        release = release_table.start_release(
            table, contract.resolve(), decider.by, decider.reason, seed, settings
        )
    screen.answer(_data(release), facts(_facts(release)), _next(f"compare {release.contract}"))
    return NOT_AGREED if release.failure else 0


def status(screen: CommandOutput, table: str, *, settings: str) -> None:
    """Show where a release stands.

    Raises:
        NotFoundError: There is none.
    """
    block = block_lookup.settings(settings)
    contract = contract_of(table, block)
    with screen.waiting("Opening the lakehouse"):
        lake = open_lakehouse(block)
        release = release_of(lake.spark, lake.target(contract))
    if release is None:
        raise NotFoundError(
            where=lake.target(contract),
            expected="a release of this table",
            found="none",
            next_step=f"strandline release start {contract.name} --contract FILE --reason ...",
        )
    screen.answer(_data(release), facts(_facts(release)))


def compare(screen: CommandOutput, table: str, *, settings: str) -> int:
    """Compare both tables; the exit code is 65 where they differ, or green is not up to date."""
    with screen.waiting(_WAITING), temporary_server():
        found = release_table.compare_release(table, settings)
    screen.answer(_comparison_data(found), *_comparison(found, screen.out.width))
    return NOT_AGREED if found.rows.differences or found.release.failure else 0


def shift(
    screen: CommandOutput,
    table: str,
    percent: int,
    roles: Sequence[str],
    decider: Decider,
    *,
    settings: str,
) -> None:
    """Shift readers."""
    with screen.waiting(_WAITING):
        release = release_steps.shift_release(table, settings, percent, roles, _decided(decider))
    screen.answer(_data(release), facts(_facts(release)))


def promote(
    screen: CommandOutput, table: str, decider: Decider, *, yes: bool, settings: str
) -> int:
    """Publish green; the exit code is 65 where that was not confirmed."""
    if not yes and not agreed(screen, f"Publish the green table of {table}?"):
        screen.answer(
            {"state": "not promoted"}, Text("not promoted; --yes does it without asking", "bold")
        )
        return NOT_AGREED
    with screen.waiting(_WAITING), temporary_server():
        release, written = release_table.promote_release(
            table, decider.by, decider.reason, settings
        )
    changes = {name: getattr(written, name) for name in ("added", "changed", "removed")}
    pairs = [
        *_facts(release),
        ("versions", ", ".join(f"{count(number)} {name}" for name, number in changes.items())),
        ("contract", f"put the file of version {release.version} into the folder of contracts"),
    ]
    following = _next(f"validate {release.contract}")
    screen.answer({**_data(release), **changes}, facts(pairs), following)
    return 0


def validate(screen: CommandOutput, table: str, *, settings: str) -> None:
    """Validate a promoted release.

    Raises:
        AuditError: It is not sound.
    """
    with screen.waiting(_WAITING):
        found = release_steps.validate_published_release(table, settings)
    sound = Text(f"sound: {many(found.versions, 'version')}, each view", "bold")
    screen.answer({**_data(found.release), "versions": found.versions}, sound)


def rollback(screen: CommandOutput, table: str, decider: Decider, *, settings: str) -> None:
    """Roll a release back."""
    with screen.waiting(_WAITING):
        back = release_steps.roll_back_release(table, settings, _decided(decider))
    release = back.release
    pairs = [
        ("release", f"{release.id} is rolled back"),
        ("readers", "read what they read before it"),
    ]
    if back.was_promoted:
        pairs.append(
            ("contract", f"put the file of version {release.version_before} back into the folder")
        )
    if back.batches:
        pairs.append(("next load", f"reads again what {many(len(back.batches), 'batch')} had read"))
    data = {"was_promoted": back.was_promoted, "batches": back.batches}
    screen.answer({**_data(release), **data}, facts(pairs))


def finish(screen: CommandOutput, table: str, decider: Decider, *, settings: str) -> None:
    """Give up the way back."""
    with screen.waiting(_WAITING):
        release = release_steps.finish_release(table, settings, _decided(decider))
    screen.answer(_data(release), Text(f"release {release.id} is finished", "bold"))


def _decided(decider: Decider) -> Decided:
    return Decided(decider.by, decider.reason)


def _next(command: str) -> Text:
    return Text.assemble(("next: ", "dim"), (f"strandline release {command}", "bold"))


def _data(release: Release) -> dict[str, object]:
    """The release but for the text of its contract and what its roles see."""
    return {
        "release": release.id,
        "state": str(release.state),
        "table": release.table,
        "green": release.green,
        "contract": release.contract,
        "version": release.version,
        "version_before": release.version_before,
        "code": release.code,
        "seed": release.seed,
        "started_at": release.started_at,
        "started_by": release.started_by,
        "reason": release.reason,
        "shares": dict(release.shares),
        "loaded_at": release.loaded_at,
        "failure": release.failure,
        "compared": dict(release.compared),
    }


def _facts(release: Release) -> list[tuple[str, str]]:
    pairs = [
        ("release", f"{release.id}, {release.state}"),
        ("table", release.table),
        ("contract", f"{release.contract} {release.version_before} → {release.version}"),
        ("begun", f"by {release.started_by}, from the {release.seed}: {release.reason}"),
    ]
    if release.routes:
        pairs.append(("readers", _readers(release.shares)))
        pairs.append(("loaded", release.loaded_at or "never"))
    if release.failure:
        pairs.append(("failed", release.failure))
    if release.compared:
        differences = ("only_in_blue", "only_in_green", "differing")
        number = sum(release.compared.get(name, 0) for name in differences)
        pairs.append(("compared", f"{many(number, 'version')} not equal"))
    return pairs


def _readers(shares: Mapping[str, int]) -> str:
    everyone = f"{shares[EVERYONE]} % of the keys from green"
    others = [f"{role}: {share} %" for role, share in sorted(shares.items()) if role != EVERYONE]
    return "; ".join([everyone, *others])


def _comparison_data(found: ReleaseComparison) -> dict[str, object]:
    return {**_data(found.release), "rows": found.rows, "blue": found.blue, "green": found.green}


def _comparison(found: ReleaseComparison, width: int) -> list[RenderableType]:
    sides = [Heading(""), Heading("blue", number=True), Heading("green", number=True)]
    counted = [Heading("difference"), Heading("versions", number=True)]
    differing = [(label, count(number)) for label, number in differences_of(found)]
    return [
        text_table(sides, figures_of(found), width=width),
        text_table(counted, differing, width=width),
        *[Text(note, "dim") for note in notes_of(found)],
    ]
