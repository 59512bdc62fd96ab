"""The list of a key ring's data keys, each wrapped, and how it changes; as JSON in version 2.

Promise: no unwrapped key is in it. Every change gives a new document; whoever keeps it replaces
the old one at once, so a key is never half changed. A document of version 1, which earlier
releases wrote, is read as it is and becomes one of version 2 with its first change.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Literal

from blocks.key_rings.wrapped_key import WrappedKey
from contracts.errors import KeyUnavailableError
from contracts.model.encryption_keys import TABLE_PURPOSES, KeyPurpose, KeyState, KeyStatus

__all__ = ["Entry", "KeyRingDocument", "Period", "period_of"]

VERSION = 2

Period = Literal["month", "quarter", "year"]


@dataclass(frozen=True, slots=True)
class Entry:
    """One data key as it is kept; see `contracts.model.encryption_keys.KeyStatus`.

    Attributes:
        wrapped: The wrapped key in base64; None: it was destroyed.
        bound: Table, purpose and id are part of the wrapping, so that it opens for them alone.
    """

    table: str
    purpose: KeyPurpose
    wrapped: str | None = field(repr=False)
    state: KeyState = KeyState.ACTIVE
    bound: bool = False
    wrapped_by: str | None = None
    made_at: datetime | None = None
    period: str | None = None
    uses: int | None = None
    ended_at: datetime | None = None
    reason: str | None = None

    def is_wrapped_by(self, wrapping_key_id: str) -> bool:
        """Whether this key-encryption key wrapped it, bound to table, purpose and id."""
        return self.bound and self.wrapped_by == wrapping_key_id

    def as_wrapped(self, key_id: str, *, where: str) -> WrappedKey:
        """The wrapped key.

        Raises:
            KeyUnavailableError: It was destroyed, or is not in base64.
        """
        if self.wrapped is None:
            raise KeyUnavailableError(
                where=f"{where}, data key {key_id}",
                expected="a key that is kept",
                found=f"one that was destroyed: {self.reason}",
                next_step="What it encrypted can't be read any more.",
            )
        try:
            octets = base64.b64decode(self.wrapped, validate=True)
        except ValueError:
            raise KeyUnavailableError(
                where=f"{where}, data key {key_id}",
                expected="a wrapped key in base64",
                found="something else",
                next_step="Restore the key ring from its copy.",
            ) from None
        return WrappedKey(octets, self.wrapped_by, self.bound)


@dataclass(frozen=True, slots=True)
class KeyRingDocument:
    """The keys by their ids, oldest first, and the tables that are being rewritten.

    `rewrites` has, by table, the id of the key that its values are encrypted with again.
    """

    keys: Mapping[str, Entry] = field(default_factory=lambda: MappingProxyType({}))
    rewrites: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    @classmethod
    def parse(cls, text: str, *, where: str) -> KeyRingDocument:
        """Read a document.

        Raises:
            KeyUnavailableError: It is none, or one of a later release.
        """
        try:
            content = json.loads(text)
            version = content.get("version", 1)
            keys = {key_id: _entry(each) for key_id, each in content["keys"].items()}
            rewrites = {str(table): str(key) for table, key in content.get("rewrites", {}).items()}
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise KeyUnavailableError(
                where=where,
                expected="a file with wrapped data keys",
                found=f"one that can't be read ({type(error).__name__})",
                next_step="Restore the file from its copy.",
            ) from None
        if version not in (1, VERSION):
            raise KeyUnavailableError(
                where=where,
                expected=f"a key ring of version {VERSION} or 1",
                found="one of another version",
                next_step="Use the release of Strandline that wrote it, or a later one.",
            )
        return cls(keys, rewrites)

    def as_text(self) -> str:
        """The document as JSON; what is not known is left out."""
        keys = {key_id: _plain(entry) for key_id, entry in self.keys.items()}
        content: dict[str, object] = {"version": VERSION, "keys": keys}
        if self.rewrites:
            content["rewrites"] = dict(self.rewrites)
        return json.dumps(content, indent=1)

    def of_table(self, table: str) -> Iterator[tuple[str, Entry]]:
        """The keys of a table, oldest first."""
        return ((key_id, each) for key_id, each in self.keys.items() if each.table == table)

    def has_keys(self, table: str) -> bool:
        """Whether the table has a key that every table has."""
        return any(entry.purpose in TABLE_PURPOSES for _, entry in self.of_table(table))

    def deterministic_id(self, owner: str) -> str | None:
        """The id of the active key of deterministic tokens of a table or join domain."""
        for key_id, entry in self.of_table(owner):
            if entry.purpose is KeyPurpose.DETERMINISTIC and entry.state is KeyState.ACTIVE:
                return key_id
        return None

    def entry(self, key_id: str, *, where: str) -> Entry:
        """The key of that id.

        Raises:
            KeyUnavailableError: There is none.
        """
        if key_id not in self.keys:
            raise KeyUnavailableError(
                where=where,
                expected=f"data key {key_id}",
                found="none of this id",
                next_step="Restore the copy of the key ring that has it; an erased key is gone.",
            )
        return self.keys[key_id]

    def active_ids(self, table: str, *, where: str) -> Mapping[KeyPurpose, str]:
        """The ids of a table's active keys, one for each purpose.

        Raises:
            KeyUnavailableError: One of them is missing.
        """
        found = self.of_table(table)
        own = {each.purpose: key_id for key_id, each in found if each.state is KeyState.ACTIVE}
        if not own.keys() >= set(TABLE_PURPOSES):
            raise KeyUnavailableError(
                where=where,
                expected=f"the keys of {table}",
                found="none" if not own else f"only those for {', '.join(sorted(own))}",
                next_step="Restore the key ring from its copy, or load the table once.",
            )
        return own

    def status(self, key_id: str, *, limit: int) -> KeyStatus:
        """What is known of a key; `limit` is that of keys which encrypt."""
        entry = self.keys[key_id]
        encrypts = entry.purpose is KeyPurpose.ENCRYPTION
        is_active = entry.state is KeyState.ACTIVE
        return KeyStatus(
            id=key_id,
            table=entry.table,
            purpose=entry.purpose,
            state=entry.state,
            made_at=entry.made_at,
            period=entry.period,
            uses=entry.uses,
            limit=limit if encrypts else None,
            wrapped_by=entry.wrapped_by,
            rewrite_pending=is_active and encrypts and entry.table in self.rewrites,
            ended_at=entry.ended_at,
            reason=entry.reason,
        )

    def with_entry(self, key_id: str, entry: Entry) -> KeyRingDocument:
        """With this key, new or changed."""
        return replace(self, keys={**self.keys, key_id: entry})

    def with_rewrite(self, table: str, key_id: str | None) -> KeyRingDocument:
        """With the table being rewritten with this key; None: it is not any more."""
        others = {name: each for name, each in self.rewrites.items() if name != table}
        return replace(self, rewrites=others if key_id is None else {**others, table: key_id})


def period_of(at: datetime, length: Period | None) -> str | None:
    """The name of the period that a moment is in, in UTC: `2026`, `2026-Q4`, `2026-11`."""
    moment = at.astimezone(UTC)
    if length is None:
        return None
    if length == "year":
        return f"{moment:%Y}"
    if length == "quarter":
        return f"{moment:%Y}-Q{(moment.month + 2) // 3}"
    return f"{moment:%Y-%m}"


_MOMENTS = ("made_at", "ended_at")


def _entry(document: Mapping[str, object]) -> Entry:
    fields = {name: document[name] for name in Entry.__slots__ if name in document}
    fields["purpose"] = KeyPurpose(str(document["purpose"]))
    fields["state"] = KeyState(str(document.get("state", KeyState.ACTIVE)))
    for name in _MOMENTS:
        if name in fields:
            fields[name] = datetime.fromisoformat(str(fields[name]))
    uses, wrapped = fields.get("uses"), fields.get("wrapped")
    counted = uses is None or (isinstance(uses, int) and uses >= 0)
    is_kept = fields["state"] is not KeyState.DESTROYED
    if not counted or isinstance(wrapped, str) is not is_kept:
        raise TypeError
    return Entry(**{"table": document["table"], "wrapped": None, **fields})  # type: ignore[arg-type]


def _plain(entry: Entry) -> dict[str, object]:
    kept = {name: value for name, value in asdict(entry).items() if value is not None}
    for name in _MOMENTS:
        if name in kept:
            kept[name] = kept[name].isoformat()
    return kept
