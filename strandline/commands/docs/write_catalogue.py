"""Writing the catalogue's folder, and what is printed of it.

Promise: each page is written whole or not at all. A folder that holds something else than a
catalogue is left alone; in one that does, pages of contracts that are gone are removed.
"""

from __future__ import annotations

import webbrowser
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from rich.text import Text

from contracts.errors import SettingsError
from contracts.loader import TABLES, load_contracts, select_contracts
from contracts.model import Contract
from contracts.project.project_settings import find_setting, has_own_blocks
from strandline.catalogue.catalogue_pages import INDEX, PAGES, Catalogue, catalogue_pages
from strandline.catalogue.table_state import TableState
from strandline.terminal.console_output import CommandOutput
from strandline.terminal.number_format import many

_FOLDER = "docs"
_OURS = "Made by strandline docs"


@dataclass(frozen=True, slots=True)
class DocsOptions:
    """The options: which contracts (none: all), where to write, whether to open and to look."""

    chosen: tuple[str, ...]
    output: Path | None
    open_page: bool
    status: bool


def write_catalogue(screen: CommandOutput, options: DocsOptions, *, settings: str | None) -> None:
    """Write the pages of the chosen contracts, and say where they are.

    Raises:
        SettingsError: The folder can't be written, or holds something else.
    """
    folder, contracts = _contracts(options.chosen, settings)
    states = _states(screen, contracts, settings or "default") if options.status else {}
    catalogue = Catalogue(tuple(contracts), datetime.now(UTC), states)
    output = (options.output or find_setting("state").path / _FOLDER).resolve()
    pages = dict(catalogue_pages(catalogue))
    _write(pages, output)
    index = output / INDEX
    opened = options.open_page and webbrowser.open(index.as_uri())
    data = {
        "index": str(index),
        "contracts_directory": str(folder),
        "contracts": [each.name for each in contracts],
        "with_status": options.status,
    }
    columns = sum(len(each.columns) for each in contracts)
    screen.answer(
        data,
        Text(f"{many(len(contracts), 'contract')}, {many(columns, 'column')}", "green"),
        Text(str(index), no_wrap=True),
    )
    if options.open_page and not opened:
        screen.log("No browser was found; open the page yourself.")


def _contracts(chosen: Sequence[str], settings: str | None) -> tuple[Path, list[Contract]]:
    folder = TABLES
    if settings is not None or has_own_blocks():
        # Blocks need Prefect, which takes seconds to load: only where there are settings.
        from blocks.lookup import block_lookup

        folder = block_lookup.settings(settings or "default").contracts_directory or TABLES
    found = load_contracts(folder)
    names = select_contracts(chosen, folder) if chosen else sorted(found)
    return folder, [found[name] for name in names]


def _states(
    screen: CommandOutput, contracts: Sequence[Contract], settings: str
) -> Mapping[str, TableState]:
    with screen.waiting("Opening the lakehouse"):
        from strandline.commands.docs.read_table_states import read_table_states

        return read_table_states(contracts, settings)


def _write(pages: Mapping[str, str], folder: Path) -> None:
    try:
        if not _is_free(folder):
            raise SettingsError(
                where=str(folder),
                expected="an empty folder, or one that strandline docs wrote",
                found="other files",
                next_step="Choose another one with --output FOLDER.",
            )
        (folder / PAGES).mkdir(parents=True, exist_ok=True)
        for place, page in pages.items():
            path = folder / place
            unfinished = path.with_name(f".{path.name}.part")
            unfinished.write_text(page, encoding="utf-8")
            unfinished.replace(path)
        for path in (folder / PAGES).glob("*.html"):
            if f"{PAGES}/{path.name}" not in pages:
                path.unlink()
    except OSError as error:
        raise SettingsError(
            where=str(folder),
            expected="a folder that the pages can be written to",
            found=error.strerror or type(error).__name__,
            next_step="Choose another one with --output FOLDER.",
        ) from error


def _is_free(folder: Path) -> bool:
    """Whether the folder is missing, empty, or a catalogue."""
    if not folder.exists() or not any(folder.iterdir()):
        return True
    index = folder / INDEX
    return index.is_file() and _OURS in index.read_text(encoding="utf-8", errors="replace")
