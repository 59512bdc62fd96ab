"""What a backup says of itself: the catalog's pointers, the key ring, and digests of both.

Promise: the digest covers all that the manifest says, so a manifest that was cut off or changed is
refused. It has no value of a row and no key that is not wrapped.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from types import MappingProxyType
from typing import Any

import rfc8785

from contracts.errors import BackupDamagedError

FORMAT = 1
"""The version of the layout of manifests."""


@dataclass(frozen=True, slots=True)
class SavedPointer:
    """Where the catalog pointed to for a table or a view, and the copy of that metadata file.

    Attributes:
        name: `namespace.table`, without the catalog.
        location: The metadata file's address.
        uuid: The table's own id, which it keeps for life.
        snapshot_id: What readers saw; None: a view, or a table without a snapshot.
        content: The SHA-256 of the metadata file's octets, by which the copy is found.
        octets: Their number.
    """

    name: str
    location: str
    uuid: str
    snapshot_id: int | None
    content: str
    octets: int


@dataclass(frozen=True, slots=True)
class SavedKeyRing:
    """The copy of the list of wrapped keys: its SHA-256, its octets, and how many keys it has."""

    content: str
    octets: int
    keys: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupManifest:
    """One backup.

    Attributes:
        id: `YYYYMMDDTHHMMSSZ-<8 hex>`; ids sort by time.
        made_at: When its first pointer was read; UTC.
        release: The release of Strandline that made it.
        catalog: The catalog's name.
        kind: What keeps the catalog.
        warehouse: The warehouse's address.
        namespaces: The properties of each namespace.
        tables: The tables, stages and ledgers among them.
        views: The views.
        key_ring: The list of wrapped keys; None: there was none.
    """

    id: str
    made_at: datetime
    release: str
    catalog: str
    kind: str
    warehouse: str
    namespaces: Mapping[str, Mapping[str, str]] = field(
        default_factory=lambda: MappingProxyType({})
    )
    tables: tuple[SavedPointer, ...] = ()
    views: tuple[SavedPointer, ...] = ()
    key_ring: SavedKeyRing | None = None

    @property
    def contents(self) -> frozenset[str]:
        """The digests of all copies that it needs."""
        found = {each.content for each in (*self.tables, *self.views)}
        return frozenset(found | ({self.key_ring.content} if self.key_ring else set()))

    def belongs_to(self, catalog: str, warehouse: str) -> bool:
        """Whether it was made of that catalog and warehouse."""
        return (self.catalog, self.warehouse) == (catalog, warehouse)

    def digest(self) -> str:
        """The SHA-256 of all that it says (canonical JSON, RFC 8785)."""
        return hashlib.sha256(rfc8785.dumps(self._plain())).hexdigest()

    def as_text(self) -> str:
        """The manifest as JSON, with its digest."""
        return json.dumps({**self._plain(), "digest": self.digest()}, indent=1)

    @classmethod
    def parse(cls, text: str, *, where: str) -> BackupManifest:
        """Read a manifest.

        Raises:
            BackupDamagedError: It is none, was changed, or a later release wrote it.
        """
        try:
            content = json.loads(text)
            said, version = content.pop("digest"), content.pop("format")
            if version != FORMAT:
                raise _damaged(
                    where, f"a manifest of format {FORMAT}", "one of another format",
                    "Use the release of Strandline that wrote it, or a later one.",
                )  # fmt: skip
            ring = content.pop("key_ring")
            found = cls(
                made_at=datetime.fromisoformat(content.pop("made_at")),
                tables=tuple(_pointer(each) for each in content.pop("tables")),
                views=tuple(_pointer(each) for each in content.pop("views")),
                key_ring=None if ring is None else SavedKeyRing(**ring),
                **content,
            )
        except (ValueError, TypeError, KeyError, AttributeError):
            raise _damaged(where, "the manifest of a backup", "something else") from None
        if found.digest() != said:
            raise _damaged(where, "a manifest that fits its digest", "one that was changed")
        return found

    def only(self, names: frozenset[str]) -> BackupManifest:
        """The manifest with those tables and views alone, and without the key ring."""
        return replace(
            self,
            tables=tuple(each for each in self.tables if each.name in names),
            views=tuple(each for each in self.views if each.name in names),
            key_ring=None,
        )

    def _plain(self) -> dict[str, Any]:
        plain = asdict(replace(self, namespaces={}))
        plain["namespaces"] = {name: dict(of) for name, of in self.namespaces.items()}
        # A 64-bit number is not exact in canonical JSON: it is kept as text.
        for each in (*plain["tables"], *plain["views"]):
            each["snapshot_id"] = None if each["snapshot_id"] is None else str(each["snapshot_id"])
        return {
            **plain,
            "format": FORMAT,
            "made_at": self.made_at.isoformat(),
            "tables": list(plain["tables"]),
            "views": list(plain["views"]),
        }


def _pointer(document: dict[str, Any]) -> SavedPointer:
    snapshot = document.pop("snapshot_id")
    return SavedPointer(snapshot_id=None if snapshot is None else int(snapshot), **document)


def _damaged(where: str, expected: str, found: str, next_step: str = "") -> BackupDamagedError:
    return BackupDamagedError(
        where=where,
        expected=expected,
        found=found,
        next_step=next_step or "Restore another backup: strandline backup list",
    )
