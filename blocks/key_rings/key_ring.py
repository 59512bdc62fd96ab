"""The interface of a key ring, and all that rings have in common.

Promise: a data key is kept before it is used, and its uses are counted before they happen. No key
shows in a repr, a message or a log. What can't be done changes nothing.

A ring says three things: where its list of wrapped keys is kept, how a key is wrapped, and how it
is opened again. docs/keys.md shows how to add one.
"""

from __future__ import annotations

import base64
import secrets
from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import TypeVar

from prefect.blocks.core import Block
from pydantic import ConfigDict, Field, SecretStr

from blocks.key_rings.key_limits import is_used_up, refuse_rotation, refuse_too_many
from blocks.key_rings.key_ring_document import Entry, KeyRingDocument, Period, period_of
from blocks.key_rings.key_ring_storage import KeyRingStorage
from blocks.key_rings.wrapped_key import KeyContext, RewrapReport, WrappedKey
from blocks.prefect_ui.block_type_descriptions import BLOCK_DOCUMENTATION, KEY_LOGO
from contracts.errors import KeyUnavailableError, SettingsError
from contracts.model.encryption_keys import (
    GCM_VALUES_PER_KEY,
    TABLE_PURPOSES,
    DataKey,
    KeyPurpose,
    KeyState,
    KeyStatus,
    ProtectionKeys,
)

__all__ = ["KeyRing"]

_ID_BYTES = 4
_RETRIED_TASKS = 4
"""How often Spark runs a task before it gives up (`spark.task.maxFailures`)."""

T = TypeVar("T")


class KeyRing(Block):
    """The data keys of each table, wrapped by a key-encryption key that is kept apart."""

    model_config = ConfigDict(hide_input_in_errors=True)

    _block_type_name = "Strandline Key Ring"
    _block_type_slug = "strandline-key-ring"
    _documentation_url = BLOCK_DOCUMENTATION
    _logo_url = KEY_LOGO

    kind: str = Field(description="The name of its type in block files.")
    use_limit: int = Field(
        default=GCM_VALUES_PER_KEY // _RETRIED_TASKS,
        ge=1,
        le=GCM_VALUES_PER_KEY,
        description="After so many encrypted values the next load makes a new key. The default "
        "leaves room for Spark to run each task four times.",
    )
    period: Period | None = Field(
        default=None,
        description="How long a load encrypts with one key before the next makes a new one; "
        "without a period, until the limit of uses.",
    )

    @abstractmethod
    def storage(self) -> KeyRingStorage:
        """Where the list of wrapped keys is kept."""

    @property
    @abstractmethod
    def wrapping_key_id(self) -> str:
        """The id of the key-encryption key that new keys are wrapped by."""

    @abstractmethod
    def wrap(self, material: bytes, context: KeyContext) -> WrappedKey:
        """Wrap the key with the key-encryption key.

        Raises:
            KeyUnavailableError: The key-encryption key can't be used.
            KeyServiceUnavailableError: The service that has it does not answer.
        """

    @abstractmethod
    def unwrap(self, wrapped: WrappedKey, context: KeyContext) -> bytes:
        """Open a wrapped key.

        Raises:
            KeyUnavailableError: The key-encryption key is not the one that wrapped it, the context
                is another one, or the wrapped key was changed.
            KeyServiceUnavailableError: The service that has the key does not answer.
        """

    @abstractmethod
    def with_key_encryption_key(self, reference: SecretStr) -> KeyRing:
        """This ring with another key-encryption key, for `rewrap`."""

    def new_key(self, context: KeyContext) -> WrappedKey:
        """A new data key, wrapped, from the operating system's random numbers."""
        return self.wrap(secrets.token_bytes(context.purpose.key_bytes), context)

    def rewrapped(self, wrapped: WrappedKey, context: KeyContext, to: KeyRing) -> WrappedKey:
        """The same data key, wrapped by the key-encryption key of `to`."""
        return to.wrap(self.unwrap(wrapped, context), context)

    def keys_for(self, table: str, *, create: bool, at: datetime | None = None) -> ProtectionKeys:
        """The three active keys of a table; with `create`, they are made when the table has none.

        Args:
            table: The table, without its catalog.
            create: Whether to make what is missing.
            at: When they are made, if they are; default: now.

        Raises:
            KeyUnavailableError: The list is missing or damaged, the table has no keys, or the
                key-encryption key is not the one that wrapped them.
            KeyServiceUnavailableError: A place of the keys does not answer.
        """
        document = self._document(missing_is_error=not create)
        if create and not document.has_keys(table):
            document, _ = self._changed(
                lambda found: (self._with_keys(found, table, at or datetime.now(UTC)), None),
                create=True,
            )
        return self._active_keys(document, table)

    def keys_for_encryption(
        self, table: str, *, values: int, create: bool, at: datetime
    ) -> ProtectionKeys:
        """The active keys of a table, with so many uses of its encryption key counted beforehand.

        Where the key's period is over, or the uses would pass `use_limit`, a new key is made first
        and the old one is retired.

        Args:
            table: The table, without its catalog.
            values: How many values will be encrypted at most.
            create: Whether to make the table's keys when it has none.
            at: The time from which periods are counted; timezone-aware.

        Raises:
            KeyUnavailableError: As `keys_for`, or `values` are too many for any one key.
        """
        refuse_too_many(self.storage().name, table, values)

        def reserve(document: KeyRingDocument) -> tuple[KeyRingDocument, None]:
            if create:
                document = self._with_keys(document, table, at)
            key_id = document.active_ids(table, where=self.storage().name)[KeyPurpose.ENCRYPTION]
            entry = document.keys[key_id]
            if values and is_used_up(entry, values, at, self.use_limit, self.period):
                document, key_id = self._rotated(document, table, key_id, at)
                entry = document.keys[key_id]
            used = entry if not values else replace(entry, uses=(entry.uses or 0) + values)
            return document.with_entry(key_id, used), None

        document, _ = self._changed(reserve, create=create)
        return self._active_keys(document, table)

    def reserve_uses(self, key_id: str, count: int) -> None:
        """Count so many further uses of an active encryption key, before they happen.

        A crash may count values that were never encrypted, and never misses one that was.

        Raises:
            KeyUnavailableError: It is no active encryption key, its uses were not counted from
                its first, or they would pass 2**32 (NIST SP 800-38D, 8.3). Nothing was counted.
        """

        def reserve(document: KeyRingDocument) -> tuple[KeyRingDocument, None]:
            entry = document.entry(key_id, where=self.storage().name)
            usable = entry.purpose is KeyPurpose.ENCRYPTION and entry.state is KeyState.ACTIVE
            if not usable or entry.uses is None:
                counted = "counted" if entry.uses is not None else "not counted"
                raise KeyUnavailableError(
                    where=f"{self.storage().name}, data key {key_id}",
                    expected="an active encryption key whose uses were counted from the first",
                    found=f"one that is {entry.state}, for {entry.purpose}, {counted}",
                    next_step=f"strandline keys rotate {entry.table}",
                )
            refuse_too_many(self.storage().name, entry.table, entry.uses + count)
            return document.with_entry(key_id, replace(entry, uses=entry.uses + count)), None

        self._changed(reserve)

    def deterministic_key(self, owner: str, *, create: bool, at: datetime | None = None) -> DataKey:
        """The key of deterministic tokens of a table or of a join domain, 64 bytes.

        Args:
            owner: As of `contracts.model.encryption_keys.deterministic_owner`.
            create: Whether to make the key when there is none.
            at: When it is made, if it is; default: now.

        Raises:
            KeyUnavailableError: The list is missing or damaged, the owner has no such key, or the
                key-encryption key is not the one that wrapped it.
            KeyServiceUnavailableError: A place of the keys does not answer.
        """
        document = self._document(missing_is_error=not create)
        key_id = document.deterministic_id(owner)
        if key_id is None and create:

            def with_key(found: KeyRingDocument) -> tuple[KeyRingDocument, None]:
                self._check_opens(found)
                if found.deterministic_id(owner) is None:
                    purpose = KeyPurpose.DETERMINISTIC
                    found, _ = self._with_new_key(found, owner, purpose, at or datetime.now(UTC))
                return found, None

            document, _ = self._changed(with_key, create=True)
            key_id = document.deterministic_id(owner)
        if key_id is None:
            raise KeyUnavailableError(
                where=self.storage().name,
                expected=f"the key of deterministic tokens of {owner}",
                found="none",
                next_step="Restore the key ring from its copy. A column that was encrypted "
                "otherwise until now needs another name.",
            )
        return self._opened(key_id, document.keys[key_id])

    def data_key(self, key_id: str) -> DataKey:
        """The key with this id, as a token names it.

        Raises:
            KeyUnavailableError: The list is missing or damaged, has no such key, it was destroyed,
                or the key-encryption key is not the one that wrapped it.
        """
        document = self._document()
        return self._opened(key_id, document.entry(key_id, where=self.storage().name))

    def decryption_keys(self, table: str) -> Mapping[str, DataKey]:
        """Every encryption key the table ever had and that is not destroyed, by id.

        Raises:
            KeyUnavailableError: As `data_key`; a table without keys has an empty mapping.
        """
        return {
            key_id: self._opened(key_id, entry)
            for key_id, entry in self._document().of_table(table)
            if entry.purpose is KeyPurpose.ENCRYPTION and entry.state is not KeyState.DESTROYED
        }

    def status(self) -> tuple[KeyStatus, ...]:
        """All keys, by table and age; needs no key-encryption key.

        Raises:
            KeyUnavailableError: The list is missing or damaged.
        """
        document = self._document()
        order = sorted(document.keys, key=lambda key_id: document.keys[key_id].table)
        return tuple(document.status(key_id, limit=self.use_limit) for key_id in order)

    def rotate(
        self, table: str, *, at: datetime, purpose: KeyPurpose = KeyPurpose.ENCRYPTION
    ) -> KeyStatus:
        """Make a new active encryption key; the old one is retired, and still decrypts.

        Raises:
            KeyUnavailableError: The table has no keys, or they can't be opened.
            SettingsError: The purpose is one whose keys can't be replaced: what was made with the
                old one would not be recognised any more.
        """
        refuse_rotation(table, purpose)

        def rotate(document: KeyRingDocument) -> tuple[KeyRingDocument, str]:
            self._check_opens(document)
            old = document.active_ids(table, where=self.storage().name)[KeyPurpose.ENCRYPTION]
            return self._rotated(document, table, old, at)

        document, key_id = self._changed(rotate)
        return document.status(key_id, limit=self.use_limit)

    def begin_rewrite(self, table: str, *, at: datetime) -> KeyStatus:
        """Make a new key to encrypt the table's values with again, or go on with the last one.

        Raises:
            KeyUnavailableError: The table has no keys, or they can't be opened.
        """

        def begin(document: KeyRingDocument) -> tuple[KeyRingDocument, str]:
            self._check_opens(document)
            key_id = document.active_ids(table, where=self.storage().name)[KeyPurpose.ENCRYPTION]
            if table not in document.rewrites:
                document, key_id = self._rotated(document, table, key_id, at)
            return document.with_rewrite(table, key_id), key_id

        document, key_id = self._changed(begin)
        return document.status(key_id, limit=self.use_limit)

    def finish_rewrite(self, table: str) -> None:
        """Record that no value is left that another key than the active one encrypted."""
        self._changed(lambda document: (document.with_rewrite(table, None), None))

    def rewrap(self, to: KeyRing | None = None) -> RewrapReport:
        """Wrap every data key by another key-encryption key; data keys and data stay as they are.

        All keys change in one write: whatever stops it, each key opens by the old key-encryption
        key or each by the new one. Run again, it does what is left.

        Args:
            to: A ring at the same place with the key-encryption key to wrap by; default: this one,
                which opens keys of its previous key-encryption key too.

        Raises:
            KeyUnavailableError: A key can't be opened or wrapped.
            SettingsError: `to` keeps its keys elsewhere.
        """
        target = to or self
        if target.storage().name != self.storage().name:
            raise SettingsError(
                where=self.storage().name,
                expected="a block that keeps its keys at the same place",
                found=target.storage().name,
                next_step="Give both blocks the same place, and run it again.",
            )
        done: dict[str, Entry] = {}

        def rewrap(document: KeyRingDocument) -> tuple[KeyRingDocument, int]:
            for key_id, entry in document.keys.items():
                if entry.wrapped is None or entry.is_wrapped_by(target.wrapping_key_id):
                    continue
                if key_id not in done:
                    done[key_id] = self._rewrapped(key_id, entry, target)
                new = done[key_id]
                document = document.with_entry(
                    key_id,
                    replace(entry, wrapped=new.wrapped, wrapped_by=new.wrapped_by, bound=new.bound),
                )
            return document, sum(each.wrapped is not None for each in document.keys.values())

        _, kept = self._changed(rewrap)
        return RewrapReport(len(done), kept - len(done), target.wrapping_key_id)

    def destroy(self, key_id: str, *, reason: str, at: datetime) -> KeyStatus:
        """Destroy a data key: what it encrypted can't be read any more. Irreversible.

        In place of an active encryption key the table gets a new one. Copies of the list still have
        the key: destroy them too, or the key-encryption key that opens them. Repeated, it changes
        nothing.

        Raises:
            KeyUnavailableError: There is no such key.
        """

        def destroy(document: KeyRingDocument) -> tuple[KeyRingDocument, None]:
            entry = document.entry(key_id, where=self.storage().name)
            if entry.state is KeyState.DESTROYED:
                return document, None
            if entry.state is KeyState.ACTIVE and entry.purpose is KeyPurpose.ENCRYPTION:
                document, _ = self._rotated(document, entry.table, key_id, at)
            gone = replace(
                entry,
                state=KeyState.DESTROYED,
                wrapped=None,
                wrapped_by=None,
                ended_at=at,
                reason=reason,
            )
            return document.with_entry(key_id, gone), None

        document, _ = self._changed(destroy)
        return document.status(key_id, limit=self.use_limit)

    def _document(self, *, missing_is_error: bool = True) -> KeyRingDocument:
        storage = self.storage()
        text = storage.read()
        if text is None and missing_is_error:
            raise KeyUnavailableError(
                where=storage.name,
                expected="the list of wrapped data keys",
                found="none",
                next_step="Restore it from its copy; without it, protected values can't be opened.",
            )
        return (
            KeyRingDocument() if text is None else KeyRingDocument.parse(text, where=storage.name)
        )

    def _changed(
        self,
        change: Callable[[KeyRingDocument], tuple[KeyRingDocument, T]],
        *,
        create: bool = False,
    ) -> tuple[KeyRingDocument, T]:
        """Change the kept list; what `change` says of the list that was kept."""
        if not create:
            self._document()
        answers: list[tuple[KeyRingDocument, T]] = []

        def as_text(text: str | None) -> str | None:
            before = KeyRingDocument()
            if text is not None:
                before = KeyRingDocument.parse(text, where=self.storage().name)
            answers.append(change(before))
            after = answers[-1][0]
            return None if after == before else after.as_text()

        self.storage().change(as_text)
        return answers[-1]

    def _active_keys(self, document: KeyRingDocument, table: str) -> ProtectionKeys:
        ids = document.active_ids(table, where=self.storage().name)
        fingerprint, pseudonym, encryption = (
            self._opened(ids[purpose], document.keys[ids[purpose]]) for purpose in TABLE_PURPOSES
        )
        return ProtectionKeys(fingerprint, pseudonym, encryption)

    def _with_keys(self, document: KeyRingDocument, table: str, at: datetime) -> KeyRingDocument:
        """With the table's first keys, if it has none."""
        self._check_opens(document)
        if document.has_keys(table):
            return document
        for purpose in TABLE_PURPOSES:
            document, _ = self._with_new_key(document, table, purpose, at)
        return document

    def _with_new_key(
        self, document: KeyRingDocument, table: str, purpose: KeyPurpose, at: datetime
    ) -> tuple[KeyRingDocument, str]:
        key_id = secrets.token_hex(_ID_BYTES)
        while key_id in document.keys:
            key_id = secrets.token_hex(_ID_BYTES)
        wrapped = self.new_key(KeyContext(table, purpose, key_id))
        counted = purpose is KeyPurpose.ENCRYPTION
        entry = Entry(
            table=table,
            purpose=purpose,
            wrapped=base64.b64encode(wrapped.octets).decode(),
            bound=wrapped.bound,
            wrapped_by=wrapped.wrapped_by,
            made_at=at,
            period=period_of(at, self.period) if counted else None,
            uses=0 if counted else None,
        )
        return document.with_entry(key_id, entry), key_id

    def _rotated(
        self, document: KeyRingDocument, table: str, old: str, at: datetime
    ) -> tuple[KeyRingDocument, str]:
        document, key_id = self._with_new_key(document, table, KeyPurpose.ENCRYPTION, at)
        retired = replace(document.keys[old], state=KeyState.RETIRED, ended_at=at)
        return document.with_entry(old, retired), key_id

    def _opened(self, key_id: str, entry: Entry) -> DataKey:
        context = KeyContext(entry.table, entry.purpose, key_id)
        return DataKey(
            key_id, self.unwrap(entry.as_wrapped(key_id, where=self.storage().name), context)
        )

    def _check_opens(self, document: KeyRingDocument) -> None:
        """Refuse to add keys to a list whose own keys this key-encryption key does not open."""
        for key_id, entry in document.keys.items():
            if entry.wrapped is not None:
                self._opened(key_id, entry)
                return

    def _rewrapped(self, key_id: str, entry: Entry, to: KeyRing) -> Entry:
        context = KeyContext(entry.table, entry.purpose, key_id)
        new = self.rewrapped(entry.as_wrapped(key_id, where=self.storage().name), context, to)
        text = base64.b64encode(new.octets).decode()
        return replace(entry, wrapped=text, wrapped_by=new.wrapped_by, bound=new.bound)
