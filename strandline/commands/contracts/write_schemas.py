"""`strandline contracts schema`: what editors read beside contracts and block files."""

from __future__ import annotations

import json
from pathlib import Path

from contracts.authoring.contract_json_schema import CONTRACT_SCHEMA, contract_json_schema
from contracts.errors import UsageError

__all__ = ["schema_text", "write_schemas"]


def schema_text(*, blocks: bool) -> str:
    """The schema of block files, or of contracts."""
    if not blocks:
        return _text(contract_json_schema())
    # Blocks need Prefect, which takes seconds to load.
    from blocks.lookup.block_file_schema import block_file_schema

    return _text(block_file_schema())


def write_schemas(folder: Path) -> tuple[Path, ...]:
    """Write both to a folder, which is made if it is missing.

    Raises:
        UsageError: A file can't be written there.
    """
    from blocks.lookup.block_file_schema import BLOCK_FILE_SCHEMA

    files = {
        folder / CONTRACT_SCHEMA: schema_text(blocks=False),
        folder / BLOCK_FILE_SCHEMA: schema_text(blocks=True),
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path, text in files.items():
            path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(
            where=str(folder),
            expected="a folder that can be written to",
            found=error.strerror or type(error).__name__,
            next_step="Name a folder that is yours.",
        ) from error
    return tuple(files)


def _text(schema: dict[str, object]) -> str:
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
