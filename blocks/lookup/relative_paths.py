"""Relative paths in a block file: taken from its project's folder, not from where one stands."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

from prefect.blocks.core import Block

from blocks.backup_target import BackupTarget
from blocks.lakehouse import Lakehouse
from blocks.source_database import SourceDatabase

__all__ = ["anchored", "folder_of"]

_STATE = ".strandline"
_SQLITE = "jdbc:sqlite:"
_FILES = {"ssl_root_certificate", "ssl_certificate", "ssl_key", "ssl_key_store"}
"""Fields of text that name files."""


def folder_of(block_file: Path) -> Path:
    """What relative paths of a block file are relative to: its folder, absolute.

    Of a file in a project's `.strandline` it is the project's folder.
    """
    file = block_file.expanduser().absolute()
    for parent in file.parents:
        if parent.name == _STATE:
            return parent.parent
    return file.parent


def anchored(kind: type[Block], values: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """The fields of a block with their relative paths below the folder, defaults included.

    Args:
        kind: The block's type.
        values: Its fields, as the file has them.
        folder: An absolute path.
    """
    usual = {
        name: folder / info.default
        for name, info in kind.model_fields.items()
        if isinstance(info.default, Path)
    }
    said = {name: _anchored(kind, name, value, values, folder) for name, value in values.items()}
    return {**usual, **said}


def _anchored(
    kind: type[Block], name: str, value: Any, values: Mapping[str, Any], folder: Path
) -> Any:
    if not isinstance(value, str) or not value:
        return value
    if kind is Lakehouse and name == "uri" and value.startswith(_SQLITE):
        file, mark, options = value.removeprefix(_SQLITE).partition("?")
        return f"{_SQLITE}{folder / file}{mark}{options}"
    return str(folder / Path(value).expanduser()) if _is_path(kind, name, value, values) else value


def _is_path(kind: type[Block], name: str, value: str, values: Mapping[str, Any]) -> bool:
    annotation = kind.model_fields[name].annotation
    if Path in (annotation, *get_args(annotation)):
        return True
    if kind is Lakehouse and name == "warehouse":
        # Of a rest catalog it may be a name that the server knows.
        return "://" not in value and not value.startswith("file:") and values.get("kind") != "rest"
    if kind is BackupTarget:
        return name == "location" and "://" not in value
    if kind is SourceDatabase and name == "database":
        return values.get("dialect") == "sqlite" and value != ":memory:"
    return name in _FILES and value != "system"
