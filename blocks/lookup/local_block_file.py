"""A file of blocks: read with its references, written with its secrets, for its owner only.

Promise: an error names every mistake by type, name and field, never by value.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar, cast, get_args

import yaml
from prefect.blocks.core import Block
from prefect_aws import AwsCredentials, AwsSecret, S3Bucket
from pydantic import SecretStr, ValidationError
from pydantic.fields import FieldInfo

from blocks.backup_target import BackupTarget
from blocks.key_rings.key_ring_types import key_ring_types
from blocks.lakehouse import Lakehouse
from blocks.lookup.relative_paths import anchored
from blocks.open_lineage_receiver import OpenLineageReceiver
from blocks.operating_system.owner_only_file import write_private
from blocks.run_settings import RunSettings
from blocks.source_database import SourceDatabase
from blocks.spark_runtime import SparkRuntime
from contracts.errors import SettingsError

__all__ = ["TYPES", "BlockFile", "block_type_of", "is_secret_field", "write_blocks"]

TYPES: Mapping[str, type[Block]] = {
    "aws-credentials": AwsCredentials,
    "aws-secret": AwsSecret,
    "s3-bucket": S3Bucket,
    "source-database": SourceDatabase,
    "lakehouse": Lakehouse,
    "spark-runtime": SparkRuntime,
    **key_ring_types(),
    "open-lineage-receiver": OpenLineageReceiver,
    "backup-target": BackupTarget,
    "run-settings": RunSettings,
}
"""Block types by their name in the file, nested ones before those that contain them."""

_OTHERS_MAY_READ = 0o044

AnyBlock = TypeVar("AnyBlock", bound=Block)
Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class BlockFile:
    """The content of a block file, by type and name.

    `folder` is what relative paths are taken from; None leaves them as they are written.
    """

    path: Path
    documents: Mapping[str, Mapping[str, Document]] = field(repr=False)
    folder: Path | None = None
    _built: dict[tuple[str, str], Block] = field(default_factory=dict, repr=False)

    @classmethod
    def read(cls, path: Path, folder: Path | None = None) -> BlockFile:
        """Read the file; its blocks are built on demand.

        Args:
            path: The file.
            folder: What relative paths in it are taken from; None leaves them as they are.

        Raises:
            SettingsError: It is missing, no YAML, or not made of known types and names.
        """
        where = f"block file {path}"
        try:
            content = yaml.safe_load(path.read_text(encoding="utf-8"))
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            line = f"line {mark.line + 1}" if mark else "a line"
            # Not `from error`: it quotes the line, which may contain a secret.
            raise _wrong(where, "YAML", f"a mistake in {line}") from None
        except (OSError, UnicodeDecodeError) as error:
            raise _wrong(where, "a file that can be read", type(error).__name__) from error
        if not isinstance(content, dict) or not all(
            kind in TYPES and isinstance(named, dict) and all(map(_is_document, named.values()))
            for kind, named in content.items()
        ):
            expected = f"a map of types ({', '.join(TYPES)}) to names to fields"
            raise _wrong(where, expected, "something else")
        return cls(path, content, folder)

    def block(self, kind: type[AnyBlock], name: str) -> AnyBlock:
        """Build the block of this type and name, and those it names.

        Raises:
            SettingsError: It, a field, a named block or a variable is missing or wrong.
        """
        kind_name = next(key for key, type_ in TYPES.items() if type_ is kind)
        where = f"{kind_name} {name} in {self.path}"
        if (kind_name, name) not in self._built:
            named = self.documents.get(kind_name, {})
            if name not in named:
                available = ", ".join(sorted(named)) or "none of this type"
                raise _wrong(where, "a block of this name", available)
            self._built[kind_name, name] = self._build(kind, named[name], where)
        return cast("AnyBlock", self._built[kind_name, name])

    def blocks(self) -> Iterator[tuple[str, Block]]:
        """Every block with its name, nested ones before those that contain them.

        Raises:
            SettingsError: See `block`.
        """
        for kind_name, kind in TYPES.items():
            for name in self.documents.get(kind_name, {}):
                yield name, self.block(kind, name)

    def _build(self, kind: type[AnyBlock], document: Document, where: str) -> AnyBlock:
        unknown = sorted(set(document) - set(kind.model_fields))
        if unknown:
            raise _wrong(where, f"fields of {kind.__name__}", f"unknown: {', '.join(unknown)}")
        values = {
            name: self._value(kind.model_fields[name], value, f"{where}, field {name}")
            for name, value in document.items()
        }
        if self.folder is not None:
            values = anchored(kind, values, self.folder)
        try:
            return kind(**values)
        except ValidationError as error:
            raise _wrong(where, "fields that fit", _mistakes(error)) from None

    def _value(self, info: FieldInfo, value: Any, where: str) -> Any:
        if isinstance(value, dict) and len(value) == 1:
            [(origin, name)] = value.items()
            if origin == "env":
                return _from_environment(str(name), where)
            if origin == "file":
                return _from_file(self.path.parent / str(name), where)
        nested = block_type_of(info)
        if nested is not None and isinstance(value, str):
            return self.block(self._kind_named(nested, value, where), value)
        if nested is not None and isinstance(value, dict):
            return self._build(_kind_of(nested, value, where), value, where)
        if value and is_secret_field(info):
            self._check_owner_only(where)
        return value

    def _kind_named(self, kind: type[Block], name: str, where: str) -> type[Block]:
        """The one type of the family `kind` that has a block of this name in the file."""
        family = [key for key, each in TYPES.items() if issubclass(each, kind)]
        found = [key for key in family if name in self.documents.get(key, {})]
        if len(found) > 1:
            expected = f"one block of the name {name}"
            raise _wrong(where, expected, f"several: {', '.join(found)}", "Rename one of them.")
        return TYPES[found[0] if found else family[0]]

    def _check_owner_only(self, where: str) -> None:
        mode = self.path.stat().st_mode
        if mode & _OTHERS_MAY_READ:
            raise SettingsError(
                where=where,
                expected="a secret that its owner alone can read",
                found=f"a file of mode {mode & 0o777:04o}",
                next_step=f"chmod 600 {self.path} (or take the secret out: {{env: NAME}})",
            )


def write_blocks(path: Path, documents: Iterable[tuple[str, Block]]) -> Path:
    """Write blocks to a file; see `blocks.lookup.block_lookup.save_local`."""
    named = list(documents)
    names = {id(block): name for name, block in named}
    content: dict[str, dict[str, Document]] = {}
    for name, block in named:
        kind_name = next(key for key, kind in TYPES.items() if type(block) is kind)
        content.setdefault(kind_name, {})[name] = {
            key: names.get(id(value)) or _plain(value)
            for key in type(block).model_fields
            if (value := getattr(block, key)) is not None
        }
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_private(path, yaml.safe_dump(content, sort_keys=False, allow_unicode=True))
    return path


def _plain(value: Any) -> Any:
    """A field as a value that YAML can represent."""
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, Block):
        return {
            key: _plain(inner)
            for key in type(value).model_fields
            if (inner := getattr(value, key)) is not None
        }
    if isinstance(value, Path):
        return str(value)
    return json.loads(json.dumps(value, default=_model))


def _model(value: Any) -> Any:
    return value.model_dump(mode="json", exclude_none=True)


def block_type_of(info: FieldInfo) -> type[Block] | None:
    """The type of the block that a field holds; None where it holds none."""
    for option in (info.annotation, *get_args(info.annotation)):
        if isinstance(option, type) and issubclass(option, Block):
            return option
    return None


def _kind_of(kind: type[Block], document: Document, where: str) -> type[Block]:
    """The type of a block that is written inside of another one; of a family, its `kind`."""
    family = [key for key, each in TYPES.items() if issubclass(each, kind)]
    named = str(document.get("kind", family[0]))
    if named not in family and len(family) > 1:
        raise _wrong(where, f"a kind, one of {', '.join(family)}", named)
    return TYPES[named if named in family else family[0]]


def is_secret_field(info: FieldInfo) -> bool:
    """Whether a field holds a secret."""
    return SecretStr in (info.annotation, *get_args(info.annotation))


def _is_document(document: object) -> bool:
    return isinstance(document, dict) and all(isinstance(key, str) for key in document)


def _from_environment(name: str, where: str) -> str:
    if name not in os.environ:
        raise _wrong(where, f"the environment variable {name}", "none", f"export {name}=...")
    return os.environ[name]


def _from_file(path: Path, where: str) -> str:
    try:
        return path.read_text(encoding="utf-8").rstrip("\n")
    except (OSError, UnicodeDecodeError) as error:
        found = f"none that can be read ({type(error).__name__})"
        raise _wrong(where, f"the file {path}", found, "Write it, or name another.") from error


def _mistakes(error: ValidationError) -> str:
    """The fields and their errors; without its input, pydantic's message contains no value."""
    details = error.errors(include_input=False, include_context=False, include_url=False)
    return "; ".join(
        ": ".join(filter(None, (".".join(map(str, detail["loc"])), detail["msg"])))
        for detail in details
    )


def _wrong(
    where: str, expected: str, found: str, next_step: str = "Correct the block file."
) -> SettingsError:
    return SettingsError(where=where, expected=expected, found=found, next_step=next_step)
