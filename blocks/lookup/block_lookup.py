"""How a run finds its blocks: on the Prefect server, or in a file where there is none.

Promise: both ways give the same blocks. An error names what is missing and what to do, and a
secret in the file is read only when no other user can read it.

`contracts.project.project_settings` says where the file is looked for. It maps a type, then a name,
to a block's fields. A nested block is named, `{env: NAME}` takes a value from the environment and
`{file: PATH}` from a file. Relative paths are taken from the file's folder::

    source-database:
      source-db-conn:
        {host: db.internal, database: crm, user: reader, password: {env: CRM_PASSWORD}}
    run-settings:
      default: {spark: local, lakehouse: local, key_ring: local}
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TypeVar

import httpx
from prefect.blocks.core import Block
from prefect.exceptions import PrefectHTTPStatusError
from prefect.settings import PREFECT_API_URL
from prefect_aws import AwsCredentials

from blocks.key_rings.key_ring import KeyRing
from blocks.key_rings.key_ring_types import key_ring_types
from blocks.lookup.local_block_file import BlockFile, write_blocks
from blocks.lookup.relative_paths import folder_of
from blocks.run_settings import RunSettings
from blocks.source_database import SourceDatabase
from contracts.errors import SettingsError
from contracts.project.project_settings import (
    PROJECT_FILE,
    SETTINGS,
    block_file,
    find_setting,
    project_folder,
)

__all__ = [
    "VARIABLE",
    "aws_credentials",
    "block_name",
    "key_ring",
    "local_file",
    "on_server",
    "register",
    "save_local",
    "settings",
    "source",
]

VARIABLE = SETTINGS["blocks"].variable
"""Names the file with the blocks; if set, it takes precedence over a Prefect server."""

AnyBlock = TypeVar("AnyBlock", bound=Block)


def settings(name: str = "default") -> RunSettings:
    """The settings of a run.

    Raises:
        SettingsError: There is no such block, or one of its parts is missing or wrong.
    """
    return _lookup(RunSettings, name)


def source(connection: str) -> SourceDatabase:
    """The database that a contract names by its connection (spec 1.1), such as `source_db_conn`.

    Raises:
        SettingsError: There is no such block, or it is wrong.
    """
    return _lookup(SourceDatabase, block_name(connection))


def aws_credentials(name: str) -> AwsCredentials:
    """Credentials of AWS, of Prefect's own block type.

    Raises:
        SettingsError: There is no such block, or it is wrong.
    """
    return _lookup(AwsCredentials, name)


def key_ring(reference: str) -> KeyRing:
    """A key ring by `TYPE/NAME`, its type as block files have it, or by the name of a local one.

    Raises:
        SettingsError: There is no such block, or it is wrong.
    """
    kind, _, name = reference.rpartition("/")
    types = key_ring_types()
    if (kind or "local-key-ring") not in types:
        raise SettingsError(
            where=f"key ring {reference}",
            expected=f"a type, one of {', '.join(types)}",
            found=kind,
            next_step="Name the block as TYPE/NAME.",
        )
    return _lookup(types[kind or "local-key-ring"], name)


def block_name(connection: str) -> str:
    """The name of a connection's block: Prefect allows lower case, digits and dashes."""
    return connection.strip().lower().replace("_", "-")


def on_server() -> bool:
    """Whether blocks are looked up on a Prefect server, and not in a block file.

    The environment goes before the project's file, and that before Prefect's profile, which is of
    the user and of all projects.
    """
    if os.environ.get(VARIABLE) is not None or not PREFECT_API_URL.value():
        return False
    by_profile = PREFECT_API_URL.name not in os.environ
    project, _ = project_folder()
    return not (by_profile and find_setting("blocks").origin == str(project / PROJECT_FILE))


def save_local(path: Path, *documents: tuple[str, Block]) -> Path:
    """Write blocks with their names to a file of mode 0600, replacing it.

    A block inside another is written once, by name, when it is among the documents.
    """
    return write_blocks(path, documents)


def register(path: Path) -> list[str]:
    """Save every block of the file to the Prefect server; repeating it changes nothing.

    Returns:
        What was saved, as `type-slug/name`.

    Raises:
        SettingsError: No server is configured, or a block of the file is wrong.
    """
    if not PREFECT_API_URL.value():
        raise SettingsError(
            where="Prefect",
            expected="a server to register the blocks with",
            found="no PREFECT_API_URL",
            next_step="Start one (prefect server start) and set PREFECT_API_URL.",
        )
    saved = []
    for name, block in BlockFile.read(path).blocks():
        block.save(name, overwrite=True, _sync=True)  # type: ignore[call-arg]
        saved.append(f"{block.get_block_type_slug()}/{name}")
    return saved


def _lookup(kind: type[AnyBlock], name: str) -> AnyBlock:
    if on_server():
        return _load(kind, name)
    path = local_file(f"{kind.get_block_type_slug()} {name}")
    return BlockFile.read(path, folder_of(path)).block(kind, name)


def local_file(wanted: str = "") -> Path:
    """The block file of this machine.

    Args:
        wanted: The block that is looked for, for the error.

    Raises:
        SettingsError: There is none.
    """
    found = block_file()
    if found.value and found.path.exists():
        return found.path
    among = f", {wanted} among them" if wanted else ""
    if found.value:
        raise SettingsError(
            where=f"block file {found.path}",
            expected=f"the blocks of this machine{among}",
            found=f"no such file, which {found.origin} names",
            next_step="Write it, or name another; strandline config shows what is looked for.",
        )
    folder, origin = project_folder()
    raise SettingsError(
        where=f"project {folder} ({origin})",
        expected=f"a blocks.yaml with the blocks of this machine{among}",
        found="none, and no PREFECT_API_URL",
        next_step="Make a project (strandline init) or go to one, name a file in "
        f"{VARIABLE}, or set PREFECT_API_URL.",
    )


def _load(kind: type[AnyBlock], name: str) -> AnyBlock:
    where = f"block {kind.get_block_type_slug()}/{name} on the Prefect server"
    try:
        loaded: AnyBlock = kind.load(name, _sync=True)  # type: ignore[call-arg, assignment]
    except (PrefectHTTPStatusError, httpx.HTTPError) as error:
        raise SettingsError(
            where=where,
            expected="an answer from the Prefect server",
            found=type(error).__name__,
            next_step="See that the server runs and that PREFECT_API_URL and its login are right.",
        ) from None
    except (ValueError, RuntimeError) as error:
        # Prefect raises a ValueError for no such block, a RuntimeError for one of another shape.
        absent = isinstance(error, ValueError)
        raise SettingsError(
            where=where,
            expected="a block" if absent else "a block that fits this version of Strandline",
            found="none" if absent else "one that does not fit",
            next_step="Save it on the server's page of blocks, or register a block file.",
        ) from None
    return loaded
