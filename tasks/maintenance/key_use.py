"""How near the keys are to their limits of uses, and whether their period is over.

Promise: no key is opened and none is changed: a load makes a new key before it would pass a limit.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from prefect import task
from prefect.cache_policies import NO_CACHE

from blocks.key_rings.key_ring_document import period_of
from blocks.lookup import block_lookup
from contracts.model.encryption_keys import KeyPurpose, KeyState, KeyStatus
from tasks.run.unexpected_errors import without_unexpected_errors

NEARLY = 0.8
"""From this share of its limit on a key is nearly used up."""


@dataclass(frozen=True, slots=True)
class KeyUse:
    """An active encryption key: how much of its limit is used, and what is said of it.

    `state` is `in use`, `nearly used up`, `used up`, `period over` or `not counted`; after the last
    three the table's next load makes a new key.
    """

    key_id: str
    table: str
    uses: int | None
    limit: int | None
    state: str


@task(name="key-uses", cache_policy=NO_CACHE, persist_result=False)
@without_unexpected_errors("key-uses")
def key_uses(settings: str, *, now: datetime) -> tuple[KeyUse, ...]:
    """How near each active encryption key is to its limit.

    Args:
        settings: The name of the run settings block, which names the ring.
        now: The time from which periods are counted; timezone-aware.
    """
    ring = block_lookup.settings(settings).key_ring
    if ring.storage().read() is None:
        return ()
    return tuple(
        KeyUse(each.id, each.table, each.uses, each.limit, _state(each, now, over=over))
        for each in ring.status()
        if each.purpose is KeyPurpose.ENCRYPTION and each.state is KeyState.ACTIVE
        for over in (
            ring.period is not None
            and each.made_at is not None
            and period_of(now, ring.period) != period_of(each.made_at, ring.period),
        )
    )


def _state(key: KeyStatus, now: datetime, *, over: bool) -> str:
    if key.uses is None or key.limit is None:
        return "not counted"
    if key.uses >= key.limit:
        return "used up"
    if over and key.made_at is not None and now > key.made_at:
        return "period over"
    return "nearly used up" if key.uses >= NEARLY * key.limit else "in use"
