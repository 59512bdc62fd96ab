"""The key ring brought back from a backup: wrapped keys only, under the same wrapping key.

Promise: no key that is there now is lost, and none that was destroyed comes back. A key that
encrypts is not used again: how often it was used since the backup is not known, and the next load
makes a new one (NIST SP 800-38D, 8.3).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

from blocks.key_rings.key_ring import KeyRing
from blocks.key_rings.key_ring_document import Entry, KeyRingDocument
from blocks.key_rings.wrapped_key import KeyContext
from contracts.errors import KeyUnavailableError, RestoreRefusedError
from contracts.model.encryption_keys import KeyPurpose, KeyState


@dataclass(frozen=True, slots=True)
class RestoredKeys:
    """What became of the key ring: how many keys it has, came back, and stay destroyed."""

    keys: int
    restored: int
    destroyed: int


def restored(
    saved: KeyRingDocument,
    now: KeyRingDocument | None,
    *,
    destroyed: Collection[str],
    where: str,
    force: bool,
) -> tuple[KeyRingDocument, RestoredKeys]:
    """The list as it is to be: the saved keys, and those that were made since.

    Args:
        saved: The list of the backup.
        now: The list that is there; None: it is gone.
        destroyed: Ids of keys that were destroyed, as the audit log says.
        where: What errors call the place.
        force: Keys that are there and not in the backup are kept, retired, where a saved key is
            the active one for the same.

    Raises:
        RestoreRefusedError: Keys of both sides are active for the same, and not `force`.
    """
    current = {} if now is None else dict(now.keys)
    missing = {key_id: each for key_id, each in saved.keys.items() if key_id not in current}
    if now is not None and not missing:
        return now, RestoredKeys(len(current), 0, 0)
    taken = {_use(each) for each in missing.values() if each.state is KeyState.ACTIVE}
    rivals = [
        key_id
        for key_id, each in current.items()
        if key_id not in saved.keys and each.state is KeyState.ACTIVE and _use(each) in taken
    ]
    if rivals and not force:
        raise RestoreRefusedError(
            where=where,
            expected="a list that has no other keys than the backup for the same tables",
            found=f"{len(rivals)} that were made since: {', '.join(rivals[:5])}",
            next_step="A load has made new keys while the list was gone. With --force both stay, "
            "the saved ones active: load those tables again from before that load.",
        )
    keys: dict[str, Entry] = {}
    for key_id, each in {**saved.keys, **current}.items():
        entry = each
        if key_id in destroyed and entry.state is not KeyState.DESTROYED:
            entry = replace(
                entry,
                state=KeyState.DESTROYED,
                wrapped=None,
                wrapped_by=None,
                reason="destroyed before this backup was restored",
            )
        elif key_id in rivals:
            entry = replace(entry, state=KeyState.RETIRED)
        elif key_id in missing and entry.purpose is KeyPurpose.ENCRYPTION:
            entry = replace(entry, uses=None)
        keys[key_id] = entry
    gone = sum(each.state is KeyState.DESTROYED for each in keys.values())
    rewrites = saved.rewrites if now is None else now.rewrites
    return KeyRingDocument(keys, rewrites), RestoredKeys(len(keys), len(missing), gone)


def restore_key_ring(
    ring: KeyRing, content: bytes, *, destroyed: Collection[str], force: bool, dry_run: bool
) -> RestoredKeys:
    """Bring the list back.

    Raises:
        RestoreRefusedError: See `restored`; or the list that is there can't be read.
        KeyUnavailableError: The key-encryption key is not the one that wrapped the saved keys.
    """
    storage = ring.storage()
    saved = KeyRingDocument.parse(content.decode(), where=f"the backup of {storage.name}")
    _refuse_other_wrapping(ring, saved, storage.name)
    now = _readable(storage.read(), storage.name)
    document, report = restored(saved, now, destroyed=destroyed, where=storage.name, force=force)
    if not dry_run and document != now:
        storage.change(lambda _text: document.as_text())
    return report


def _readable(text: str | None, where: str) -> KeyRingDocument | None:
    """The list as it is; one that can't be read may have keys that can be saved by hand.

    Raises:
        RestoreRefusedError: It can't be read.
    """
    try:
        return None if text is None else KeyRingDocument.parse(text, where=where)
    except KeyUnavailableError as error:
        raise RestoreRefusedError(
            where=where,
            expected="no list, or one that can be read",
            found=error.found,
            next_step="Move it aside, which keeps what it has, and run it again.",
        ) from None


def _refuse_other_wrapping(ring: KeyRing, saved: KeyRingDocument, where: str) -> None:
    for key_id, entry in saved.keys.items():
        if entry.wrapped is not None:
            context = KeyContext(entry.table, entry.purpose, key_id)
            ring.unwrap(entry.as_wrapped(key_id, where=where), context)
            return


def _use(entry: Entry) -> tuple[str, KeyPurpose]:
    return entry.table, entry.purpose
