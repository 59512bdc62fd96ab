"""The blocks of the block file on the server: their types and their documents.

Promise: no value of a block is shown, whether it is a secret or not.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from prefect.blocks.core import Block
from prefect.client.orchestration import SyncPrefectClient
from prefect.exceptions import ObjectNotFound

from blocks.lookup.local_block_file import BlockFile
from blocks.run_settings import RunSettings
from contracts.project.project_settings import DEMO_BLOCKS, find_setting
from deployments.server_setup.read_prefect_yaml import Project
from deployments.server_setup.stage_result import Outcome, State

__all__ = ["apply_blocks", "block_file"]

_KIND = "block"


def apply_blocks(project: Project, client: SyncPrefectClient) -> Iterator[Outcome]:
    """Save the blocks of the block file; without one, check that the run settings exist.

    Raises:
        SettingsError: A block of the file is wrong.
    """
    path = block_file(project)
    if path.exists():
        for name, block in BlockFile.read(path).blocks():
            yield _saved(client, name, block)
    else:
        yield from _expected(project, client, path)


def block_file(project: Project) -> Path:
    """The file that a setting names, else that of the project's directory."""
    found = find_setting("blocks")
    if not found.is_default:
        return found.path
    own = project.directory / found.path.name
    return own if own.exists() else project.directory / DEMO_BLOCKS


def _saved(client: SyncPrefectClient, name: str, block: Block) -> Outcome:
    slug = block.get_block_type_slug()
    before = _stored(client, slug, name)
    block.save(name, overwrite=True, _sync=True)  # type: ignore[call-arg]
    after = _stored(client, slug, name) or {}
    return Outcome(_KIND, f"{slug}/{name}", State.of(before, after), after.get("id", ""))


def _stored(client: SyncPrefectClient, slug: str, name: str) -> dict[str, Any] | None:
    """The document with its secrets, for comparison alone; None where there is none."""
    try:
        document = client.read_block_document_by_name(name, slug, include_secrets=True)
    except ObjectNotFound:
        return None
    return {
        "id": str(document.id),
        "data": document.data,
        "references": {
            field: reference["block_document"]["id"]
            for field, reference in document.block_document_references.items()
        },
    }


def _expected(project: Project, client: SyncPrefectClient, path: Path) -> Iterator[Outcome]:
    slug = RunSettings.get_block_type_slug()
    names = {str(each.parameters.get("settings", "default")) for each in project.deployments}
    for name in sorted(names):
        document = _stored(client, slug, name)
        label = f"{slug}/{name}"
        if document is not None:
            yield Outcome(_KIND, label, State.UNCHANGED, document["id"], "no block file here")
        else:
            note = f"no block file {path}: write it and deploy again"
            yield Outcome(_KIND, label, State.MISSING, note=note)
