"""The files of a project that begins: written all, or none.

Promise: a folder that is not empty is refused before anything is done. What is made lies beside it
until it is complete, and an error or an interruption removes it.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from blocks.key_rings.local_key_ring import LocalKeyRing
from blocks.lookup.block_file_schema import BLOCK_FILE_SCHEMA
from contracts.authoring.contract_json_schema import CONTRACT_SCHEMA
from contracts.authoring.yaml_layout import flow
from contracts.errors import UsageError
from contracts.project.project_settings import PROJECT_FILE
from strandline.commands.contracts.write_schemas import schema_text
from strandline.commands.init.database_address import DatabaseAddress
from strandline.commands.init.deployment_file import deployment_file

__all__ = ["ProjectPlan", "check_folder", "write_project"]

_VERSION_CONTROL = frozenset({".git", ".hg", ".jj", ".venv"})
"""What may be in a folder that counts as empty."""

_SECRETS = "secrets"
_KEY, _PASSWORD = "key-encryption-key", "password"

_SETTINGS = """\
# The project's settings; `strandline config` shows each, and what says so.
blocks: blocks.yaml
"""
_JAVA = """\
# Agreed to: where no Java 17 or 21 is installed, one is fetched, once.
java: fetch
"""
_BLOCKS = """\
# yaml-language-server: $schema={schema}
# Where things are: docs/deployments.md. Relative paths begin here. A value may come from elsewhere:
# {{env: NAME}} from the environment, {{file: PATH}} from a file.

source-database:
  {name}: {source}
spark-runtime:
  local: {{driver_memory: 3g, shuffle_partitions: 2}}
lakehouse:
  # A catalog in a PostgreSQL of its own, and tables as files: all on this machine.
  local: {{warehouse: .strandline/warehouse, embedded_directory: .strandline/postgres}}
local-key-ring:
  # Both are needed to read what is protected; keep a copy of each, in different places.
  local: {{path: .strandline/keys.json, key_encryption_key: {{file: {secrets}/{key}}}}}
backup-target:
  # Another disk, or s3://BUCKET/PREFIX, is better: this one is lost with the tables.
  local: {{location: .strandline/backups}}
run-settings:
  default:
    spark: local
    lakehouse: local
    key_ring: local
    backups: local
    contracts_directory: tables
    state_directory: .strandline
"""
_IGNORED = """\
# Passwords, keys, and the tables themselves.
/secrets/
/.strandline/
"""
_README = """\
# {title}

The history of tables of {location}, kept by Strandline.

```sh
strandline plan          # what a run would do
strandline run '*'       # load what is new
strandline status        # where each table stands
strandline debug         # every connection and right, tried
strandline up            # a local Prefect server and a worker; strandline down ends them
strandline deploy        # the schedules of prefect.yaml, on that server
```

- `tables/` has a contract for each table: what it promises, and what is kept of it.
- blocks.yaml says where things are, `strandline.yaml` which settings commands take.
- `secrets/` and `.strandline/keys.json` are in no version control: keep a copy of
  `secrets/{key}` and one of `.strandline/keys.json`, apart from each other. Without both, what is
  protected can't be read again.
"""


@dataclass(frozen=True, slots=True)
class ProjectPlan:
    """A project that is to be written.

    Attributes:
        folder: Where.
        address: Its database.
        contracts: The text of each contract, by its name.
        incremental: The contracts that read what is new.
        fetch_java: Fetching a Java was agreed to.
    """

    folder: Path
    address: DatabaseAddress
    contracts: Mapping[str, str]
    incremental: frozenset[str]
    fetch_java: bool


def check_folder(folder: Path) -> None:
    """Refuse a folder that has something in it, or can't be written.

    Raises:
        UsageError: It is so, or is no folder.
    """
    there = next(each for each in (folder, *folder.absolute().parents) if each.exists())
    found = ""
    if folder.exists() and not folder.is_dir():
        found = "a file"
    elif folder.exists():
        names = sorted(each.name for each in folder.iterdir() if each.name not in _VERSION_CONTROL)
        found = f"{', '.join(names[:5])}{' and more' if len(names) > 5 else ''}"  # noqa: PLR2004
    if not found and not (there.is_dir() and os.access(there, os.W_OK)):
        found = f"{there}, which can't be written"
    if found:
        raise UsageError(
            where=f"strandline init {folder}",
            expected="an empty folder, or one that is not there yet",
            found=found,
            next_step="Name another folder: strandline init FOLDER. To add a table to a project: "
            "strandline contracts new",
        )


def write_project(plan: ProjectPlan) -> tuple[Path, ...]:
    """Write all files of the project; returns them, relative to its folder.

    Raises:
        UsageError: The folder can't be written; nothing is left of it.
    """
    folder, is_new = plan.folder, not plan.folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return _moved_in(plan, folder)
    except BaseException as error:
        if is_new:
            shutil.rmtree(folder, ignore_errors=True)
        if not isinstance(error, OSError):
            raise
        raise UsageError(
            where=f"strandline init {folder}",
            expected="a folder that can be written",
            found=error.strerror or type(error).__name__,
            next_step="Name another folder. Nothing was made.",
        ) from error


def _moved_in(plan: ProjectPlan, folder: Path) -> tuple[Path, ...]:
    """Write the files beside their places, then move them there; on an error take them back."""
    staged = Path(tempfile.mkdtemp(prefix=".strandline-init-", dir=folder))
    moved: list[Path] = []
    try:
        _write_files(plan, staged)
        files = sorted(each.relative_to(staged) for each in staged.rglob("*") if each.is_file())
        # One by one: what an interruption leaves half moved is known.
        moved.extend(each.rename(folder / each.name) for each in sorted(staged.iterdir()))
    except BaseException:
        for each in moved:
            shutil.rmtree(each) if each.is_dir() else each.unlink()
        raise
    finally:
        shutil.rmtree(staged, ignore_errors=True)
    return tuple(files)


def _write_files(plan: ProjectPlan, folder: Path) -> None:
    tables, secrets = folder / "tables", folder / _SECRETS
    tables.mkdir()
    secrets.mkdir(mode=0o700)
    password = plan.address.password
    if password is not None and password.get_secret_value():
        _private(secrets / _password_file(plan.address), password.get_secret_value())
    _private(secrets / _KEY, LocalKeyRing.generate_key().get_secret_value())
    head = f"# yaml-language-server: $schema={CONTRACT_SCHEMA}\n"
    (tables / CONTRACT_SCHEMA).write_text(schema_text(blocks=False), encoding="utf-8")
    for name, text in plan.contracts.items():
        (tables / f"{name}.yaml").write_text(head + text, encoding="utf-8")
    texts = {
        PROJECT_FILE: _SETTINGS + (_JAVA if plan.fetch_java else ""),
        BLOCK_FILE_SCHEMA: schema_text(blocks=True),
        "blocks.yaml": _BLOCKS.format(
            schema=BLOCK_FILE_SCHEMA,
            name=plan.address.name,
            source=flow(_source(plan.address)),
            secrets=_SECRETS,
            key=_KEY,
        ),
        "prefect.yaml": deployment_file(plan.contracts, plan.incremental),
        ".gitignore": _IGNORED,
        "README.md": _README.format(
            title=plan.folder.absolute().name, location=plan.address.block().location, key=_KEY
        ),
    }
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")


def _source(address: DatabaseAddress) -> dict[str, object]:
    """The block's fields; the password is named, not said."""
    fields = {
        name: value
        for name, value in address.fields.items()
        if (name, value) not in (("dialect", "postgresql"), ("port", 5432))
    }
    if address.variable:
        fields["password"] = {"env": address.variable}
    elif address.password is not None and address.password.get_secret_value():
        fields["password"] = {"file": f"{_SECRETS}/{_password_file(address)}"}
    return fields


def _password_file(address: DatabaseAddress) -> str:
    return f"{address.name}-{_PASSWORD}"


def _private(path: Path, text: str) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(f"{text}\n")
