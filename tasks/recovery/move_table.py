"""A table whose files were moved: its metadata written once more, with the new addresses.

Iceberg's metadata have full addresses at three levels: the metadata file, the lists of manifests,
and the manifests. Iceberg's own `rewrite_table_path` reads them where they were, which is gone, and
refuses local warehouses (`findings/iceberg_rewrite_local_path.sh`).

Promise: files are added under new names, and none is changed or removed: whatever stops it, the
catalog points to what it pointed to before. Data files and vectors of deleted rows stay as they
are: reading needs no address within them, though a vector's own footer has one.

Iceberg table specification, "Manifests", "Manifest Lists", "Table Metadata Fields".
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from contracts.errors import BackupDamagedError
from tasks.recovery.iceberg_catalog import IcebergCatalog, name_of, number_of

_LOCAL = "file://"


@dataclass(frozen=True, slots=True)
class Move:
    """From where to where a warehouse was moved: addresses as blocks give them to Spark."""

    old: str
    new: str

    @classmethod
    def between(cls, old: str, new: str) -> Move:
        """A move from an address as somebody types it, a directory perhaps."""
        old = old.rstrip("/")
        return cls(f"{_LOCAL}{old}" if old.startswith("/") else old, new)

    def is_old(self, address: str) -> bool:
        """Whether that is in the warehouse as it was."""
        return self.moved(address) != address

    def moved(self, address: str) -> str:
        """The address after the move; one that was not in the warehouse stays.

        A file of a machine can be written with three slashes, with one, and without a scheme.
        """
        for old, new in self._spellings():
            if address == old or address.startswith(f"{old}/"):
                return new + address.removeprefix(old)
        return address

    def moved_within(self, value: Any) -> Any:
        """JSON with each address moved."""
        if isinstance(value, str):
            return self.moved(value)
        if isinstance(value, dict):
            return {name: self.moved_within(each) for name, each in value.items()}
        return [self.moved_within(each) for each in value] if isinstance(value, list) else value

    def _spellings(self) -> list[tuple[str, str]]:
        if not (self.old.startswith(_LOCAL) and self.new.startswith(_LOCAL)):
            return [(self.old, self.new)]
        old, new = self.old.removeprefix(_LOCAL), self.new.removeprefix(_LOCAL)
        return [(f"{scheme}{old}", f"{scheme}{new}") for scheme in (_LOCAL, "file:", "")]


@dataclass(slots=True)
class MovedTable:
    """Writes the metadata of one table once more."""

    catalog: IcebergCatalog
    move: Move
    mark: str = field(default_factory=lambda: uuid4().hex[:8])
    _manifests: dict[str, tuple[str, int]] = field(default_factory=dict)

    def written(self, location: str) -> str:
        """The address of new metadata of the table; all that they refer to is written before.

        Args:
            location: The metadata file, where it is now.

        Raises:
            BackupDamagedError: Deleted rows are in a file that names data files by address.
        """
        before = json.loads(self.catalog.text(location))
        metadata = self.move.moved_within(before)
        for snapshot in metadata["snapshots"]:
            snapshot["manifest-list"] = self._list(snapshot["manifest-list"])
        metadata.setdefault("metadata-log", []).append(
            {"metadata-file": location, "timestamp-ms": metadata["last-updated-ms"]}
        )
        return self._metadata(location, metadata)

    def written_view(self, location: str) -> str:
        """The address of new metadata of a view."""
        return self._metadata(
            location, self.move.moved_within(json.loads(self.catalog.text(location)))
        )

    def _metadata(self, location: str, content: dict[str, Any]) -> str:
        folder, _, name = location.rpartition("/")
        new = f"{folder}/{(number_of(name) or 0) + 1:05d}-{uuid4()}.metadata.json"
        self.catalog.write(new, json.dumps(content).encode())
        return new

    def _list(self, location: str) -> str:
        def moved(record: Any) -> None:
            path, length = self._manifest(self.move.moved(record.get("manifest_path").toString()))
            record.put("manifest_path", path)
            record.put("manifest_length", length)

        return self._rewritten(location, moved)[0]

    def _manifest(self, location: str) -> tuple[str, int]:
        """The new manifest and its length; one that many lists name is written once."""
        if location not in self._manifests:
            self._manifests[location] = self._rewritten(location, self._move_entry)
        return self._manifests[location]

    def _move_entry(self, record: Any) -> None:
        file = record.get("data_file")
        _refuse_deletes_by_address(file)
        for name in ("file_path", "referenced_data_file"):
            if file.getSchema().getField(name) is not None:
                address = file.get(name)
                if address is not None:
                    file.put(name, self.move.moved(address.toString()))

    def _rewritten(self, location: str, change: Callable[[Any], None]) -> tuple[str, int]:
        folder, _, name = location.rpartition("/")
        new = f"{folder}/moved-{self.mark}-{name}"
        return new, self.catalog.rewrite_avro(location, new, change)


def _refuse_deletes_by_address(file: Any) -> None:
    """Position deletes of format version 2 are rows of addresses; Strandline writes none."""
    schema = file.getSchema()
    content = 0 if schema.getField("content") is None else file.get("content")
    path = file.get("file_path").toString()
    if content == _POSITION_DELETES and not path.endswith(".puffin"):
        raise BackupDamagedError(
            where=name_of(path),
            expected="vectors of deleted rows (Iceberg's format version 3)",
            found="a file of deleted rows that names data files by their old addresses",
            next_step="Serve the warehouse under its old address (docs/recovery.md), and rewrite "
            "the table's data files. It was left as it is.",
        )


_POSITION_DELETES = 1
