"""`strandline config`: every setting, its value, and what says so.

Promise: no secret is shown, and none is read: of a field that holds one, only where it would come
from. A file that is wrong is a line of the answer, not its end.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import RenderableType
from rich.text import Text

from contracts.errors import StrandlineError
from contracts.project.project_settings import (
    PROJECT_FILE,
    SETTINGS,
    block_file,
    find_setting,
    project_folder,
    user_file,
)
from strandline.terminal.console_output import AsJson, CommandOutput
from strandline.terminal.error_panel import error_data, error_panel
from strandline.terminal.number_format import NOTHING
from strandline.terminal.text_table import Heading, text_table

_SETTINGS = (
    Heading("setting"),
    Heading("value", prose=True),
    Heading("said by", prose=True),
    Heading("about", spare=True),
)
_BLOCKS = (Heading("block"), Heading("field"), Heading("value", prose=True), Heading("from"))
_HIDDEN = "••••"


@dataclass(frozen=True, slots=True)
class Row:
    """A setting: its name, its value in words, what says so, and what it is."""

    setting: str
    value: str
    origin: str
    about: str


@dataclass(frozen=True, slots=True)
class BlockField:
    """A field that a block file sets; `value` is hidden where it may be secret."""

    block: str
    field: str
    value: str
    origin: str


def config(*, json: AsJson = False) -> int:
    """Show every setting, its value, and what says so: option, environment, file or default.

    Settings are looked for in this order: what was typed, the environment, the project's
    strandline.yaml, the user's, the default. Secrets are never shown.
    """
    screen = CommandOutput.of(as_json=json)
    problems: list[StrandlineError] = []
    rows = [*_rows(problems)]
    with screen.waiting("Reading the blocks"):
        fields = [*_block_fields(problems)]
    data = {"settings": rows, "blocks": fields, "problems": [error_data(each) for each in problems]}
    screen.answer(data, *_page(rows, fields, problems, width=screen.out.width))
    return problems[0].exit_code if problems else 0


def _rows(problems: list[StrandlineError]) -> Iterator[Row]:
    try:
        folder, origin = project_folder()
    except StrandlineError as error:
        problems.append(error)
        return
    yield Row("project", str(folder), origin, "where relative paths begin")
    for name, known in SETTINGS.items():
        with _noting(problems):
            found = block_file() if name == "blocks" else find_setting(name)
            yield Row(name, found.value or NOTHING, found.origin, known.about)
    with _noting(problems):
        yield _server()
    yield Row(
        "user's file",
        str(user_file()),
        "read" if user_file().is_file() else "there is none",
        "settings of all projects",
    )


@contextmanager
def _noting(problems: list[StrandlineError]) -> Iterator[None]:
    """Add an error to the problems, once, and go on; each setting may find the same wrong file."""
    try:
        yield
    except StrandlineError as error:
        if str(error) not in map(str, problems):
            problems.append(error)


def _server() -> Row:
    from prefect.settings import PREFECT_API_URL

    url, name = PREFECT_API_URL.value(), PREFECT_API_URL.name
    about = "where blocks and runs are kept"
    if not url:
        return Row("prefect server", NOTHING, "one is started for each run", about)
    origin = f"environment {name}" if name in os.environ else "Prefect's profile"
    from blocks.lookup import block_lookup

    used = "its blocks are used" if block_lookup.on_server() else f"not its blocks: {PROJECT_FILE}"
    return Row("prefect server", _without_login(url), f"{origin}; {used}", about)


def _without_login(url: str) -> str:
    scheme, mark, rest = url.partition("://")
    authority, slash, path = rest.partition("/")
    return f"{scheme}{mark}{authority.rpartition('@')[2]}{slash}{path}"


def _block_fields(problems: list[StrandlineError]) -> Iterator[BlockField]:
    from blocks.lookup.local_block_file import TYPES, BlockFile, is_secret_field

    try:
        found = block_file()
        if not found.value or not found.path.exists():
            return
        content = BlockFile.read(found.path)
    except StrandlineError as error:
        problems.append(error)
        return
    for kind, named in content.documents.items():
        for name, document in named.items():
            for field, value in document.items():
                info = TYPES[kind].model_fields.get(field)
                secret = info is None or is_secret_field(info)
                text, origin = _worded(value, secret=secret, folder=content.path.parent)
                yield BlockField(f"{kind}/{name}", field, text, origin)


def _worded(value: object, *, secret: bool, folder: Path) -> tuple[str, str]:
    """The value in words, and where it comes from; what an `env` or a file has may be secret."""
    if isinstance(value, dict) and len(value) == 1:
        [(origin, name)] = value.items()
        if origin == "env":
            there = "set" if str(name) in os.environ else "NOT SET"
            return _HIDDEN, f"environment {name}, {there}"
        if origin == "file":
            there = "there" if (folder / str(name)).is_file() else "MISSING"
            return _HIDDEN, f"file {name}, {there}"
    if secret or isinstance(value, dict):
        # A block within a block may hold secrets, too.
        return _HIDDEN, "the block file"
    return str(value), "the block file"


def _page(
    rows: list[Row], fields: list[BlockField], problems: list[StrandlineError], *, width: int
) -> list[RenderableType]:
    cells = [(Text(each.setting, "bold"), each.value, each.origin, each.about) for each in rows]
    parts: list[RenderableType] = [text_table(_SETTINGS, cells, width=width)]
    if fields:
        blocks = [(each.block, each.field, each.value, each.origin) for each in fields]
        parts.append(text_table(_BLOCKS, blocks, width=width))
    return [*parts, *(error_panel(each, width=width) for each in problems)]
