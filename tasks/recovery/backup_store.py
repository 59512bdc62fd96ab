"""The place of backups: copies by their content, and a manifest per backup that names them.

Promise: a manifest is written last, after its copies were read back and compared with their
digests; a backup that was broken off is none. A copy that many backups share is there once, and is
removed with the last of them.

Metadata files of Iceberg never change, so an hour in which nothing was loaded adds a manifest only.
"""

from __future__ import annotations

import gzip
import hashlib
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from pyarrow import fs

from blocks.backup_target import BackupTarget
from contracts.errors import (
    BackupDamagedError,
    EnvironmentUnfitError,
    LakehouseUnavailableError,
    NotFoundError,
    StrandlineError,
)
from tasks.recovery.backup_manifest import BackupManifest

_YOUNG = timedelta(days=1)
"""So old a copy is at least before it is removed: a backup that is being made may count on it."""


@dataclass(frozen=True, slots=True)
class BackupStore:
    """The backups of a target.

    Attributes:
        where: The place as errors name it.
        system: Arrow's file system of the place.
        root: The path of the place in it.
    """

    where: str
    system: fs.FileSystem = field(repr=False)
    root: str

    @classmethod
    def of(cls, target: BackupTarget) -> BackupStore:
        """The backups of a block.

        Raises:
            EnvironmentUnfitError: The place is not one that can be used.
        """
        with _answering(target.location):
            return cls(target.location, *target.filesystem())

    def put(self, content: bytes) -> str:
        """Keep a copy, if it is not there yet; its SHA-256, after it was read back."""
        digest = hashlib.sha256(content).hexdigest()
        path = self._content_path(digest)
        if not self._is_file(path):
            self._write(path, gzip.compress(content, mtime=0))
            self.get(digest)
        return digest

    def get(self, digest: str) -> bytes:
        """The copy with that digest.

        Raises:
            BackupDamagedError: It is gone, or is not what was written.
        """
        path = self._content_path(digest)
        try:
            content = gzip.decompress(self._read(path))
        except FileNotFoundError:
            found = "none"
        except (gzip.BadGzipFile, EOFError, zlib.error):
            found = "one that can't be read"
        else:
            if hashlib.sha256(content).hexdigest() == digest:
                return content
            found = "one that was changed"
        raise BackupDamagedError(
            where=f"{self.where}, {path.removeprefix(self.root).lstrip('/')}",
            expected="the copy that a backup names",
            found=found,
            next_step="Restore another backup: strandline backup list",
        )

    def add(self, manifest: BackupManifest) -> None:
        """Add a backup, whose copies are kept, and read it back.

        Raises:
            BackupDamagedError: What is there afterwards is not what was written.
        """
        missing = [each for each in sorted(manifest.contents) if not self._has(each)]
        for each in missing:
            self.get(each)
        self._write(self._manifest_path(manifest.id), manifest.as_text().encode())
        if self.manifest(manifest.id).digest() != manifest.digest():
            raise BackupDamagedError(
                where=f"{self.where}, backup {manifest.id}",
                expected="the manifest as it was written",
                found="another one",
                next_step="Another process writes to this place: give each lakehouse its own.",
            )

    def ids(self) -> tuple[str, ...]:
        """The ids of all backups, oldest first."""
        names = (each.base_name for each in self._files("backups"))
        return tuple(sorted(name.removesuffix(_SUFFIX) for name in names if name.endswith(_SUFFIX)))

    def manifest(self, backup_id: str) -> BackupManifest:
        """The backup of that id.

        Raises:
            NotFoundError: There is none.
            BackupDamagedError: It is not as it was written.
        """
        where = f"{self.where}, backup {backup_id}"
        try:
            text = self._read(self._manifest_path(backup_id)).decode()
        except FileNotFoundError:
            raise NotFoundError(
                where=where,
                expected="a backup of this id",
                found="none",
                next_step="strandline backup list",
            ) from None
        except UnicodeDecodeError:
            text = ""
        return BackupManifest.parse(text, where=where)

    def newest(self, catalog: str, warehouse: str) -> BackupManifest | None:
        """The newest backup of that lakehouse which is as it was written; None: there is none."""
        for backup_id in reversed(self.ids()):
            try:
                found = self.manifest(backup_id)
            except BackupDamagedError:
                continue
            if found.belongs_to(catalog, warehouse):
                return found
        return None

    def verify(self, manifest: BackupManifest) -> int:
        """Read all copies of a backup and compare their digests; how many octets they have.

        Raises:
            BackupDamagedError: A copy is gone or is not what was written.
        """
        return sum(len(self.get(each)) for each in sorted(manifest.contents))

    def prune(self, made_by: BackupManifest, *, keep_days: int, keep_at_least: int) -> list[str]:
        """Remove backups of the same lakehouse whose time is up; the ids of those.

        Ages are counted from the backup that was made just now, which stays. Copies that no backup
        needs any more go with them, of those that are older than a day.
        """
        ids = self.ids()
        found = {each: self._readable(each) for each in ids}
        ours = [
            each
            for each in ids
            if (of := found[each]) is not None and of.belongs_to(made_by.catalog, made_by.warehouse)
        ]
        before = made_by.made_at - timedelta(days=keep_days)
        old = [
            each
            for each in ours[: max(len(ours) - keep_at_least, 0)]
            if each != made_by.id and _moment(found[each]) < before
        ]
        for each in old:
            self._delete(self._manifest_path(each))
        if all(of is not None for of in found.values()):
            kept = [of for each, of in found.items() if of is not None and each not in old]
            self._remove_unused(kept, before=made_by.made_at - _YOUNG)
        return old

    def _remove_unused(self, kept: Sequence[BackupManifest], *, before: datetime) -> None:
        used = frozenset().union(*(each.contents for each in kept))
        for each in self._files("contents"):
            digest = each.base_name.removesuffix(".gz")
            if digest not in used and each.mtime is not None and each.mtime < before:
                self._delete(each.path)

    def _readable(self, backup_id: str) -> BackupManifest | None:
        try:
            return self.manifest(backup_id)
        except BackupDamagedError:
            return None

    def _has(self, digest: str) -> bool:
        return self._is_file(self._content_path(digest))

    def _content_path(self, digest: str) -> str:
        return f"{self.root}/contents/{digest[:2]}/{digest}.gz"

    def _manifest_path(self, backup_id: str) -> str:
        return f"{self.root}/backups/{backup_id}{_SUFFIX}"

    def _is_file(self, path: str) -> bool:
        with _answering(self.where):
            return bool(self.system.get_file_info(path).type == fs.FileType.File)

    def _files(self, folder: str) -> list[fs.FileInfo]:
        chosen = fs.FileSelector(f"{self.root}/{folder}", recursive=True, allow_not_found=True)
        with _answering(self.where):
            found = self.system.get_file_info(chosen)
        return [each for each in found if each.type == fs.FileType.File]

    def _read(self, path: str) -> bytes:
        with (
            _answering(self.where),
            self.system.open_input_stream(path, compression=None) as stream,
        ):
            content: bytes = stream.read()
            return content

    def _write(self, path: str, content: bytes) -> None:
        """Write a file, in place at once: by a move where a write can be seen half done."""
        local = isinstance(self.system, fs.LocalFileSystem)
        written = f"{path}.part" if local else path
        with _answering(self.where):
            if local:
                self.system.create_dir(path.rpartition("/")[0], recursive=True)
            with self.system.open_output_stream(written, compression=None) as stream:
                stream.write(content)
            if local:
                self.system.move(written, path)

    def _delete(self, path: str) -> None:
        with _answering(self.where):
            self.system.delete_file(path)


_SUFFIX = ".json"


def _moment(manifest: BackupManifest | None) -> datetime:
    if manifest is None:
        raise TypeError
    return manifest.made_at


@contextmanager
def _answering(where: str) -> Iterator[None]:
    """Turn what the file system raises into an error of ours; a missing file stays what it is."""
    try:
        yield
    except (StrandlineError, FileNotFoundError):
        raise
    except PermissionError as error:
        raise EnvironmentUnfitError(
            where=f"backups at {where}",
            expected="a place that can be read and written",
            found=error.strerror or type(error).__name__,
            next_step="Correct `location` of the backup target, or its permissions.",
        ) from None
    except OSError as error:
        # Not `from error`: Arrow's text may repeat a request. Its kind says enough.
        found = error.strerror if error.errno is not None else type(error).__name__
        raise LakehouseUnavailableError(
            where=f"backups at {where}",
            expected="a place that answers, and that there is room",
            found=found or type(error).__name__,
            next_step="Check the location, its room, the network and the credentials; then again.",
        ) from None
