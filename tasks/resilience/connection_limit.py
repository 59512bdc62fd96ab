"""The limit on the connections that all runs together hold to a source.

Promise: a read waits for two places, for its snapshot and one slice, and takes further ones only
if they are free: so no run waits for another while it holds something that the other needs. The
places of a run that dies are free a minute later.
"""

from __future__ import annotations

import contextvars
import random
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from prefect.logging import get_logger

from blocks.coordination.connection_places import LEASE_SECONDS, Places
from blocks.coordination.shared_documents import SharedDocuments
from blocks.coordination.store_errors import StoreUnavailableError
from blocks.lookup.block_lookup import block_name
from blocks.source_database import SourceDatabase
from contracts.errors import SourceBusyError

__all__ = ["connections_document", "places_of_read"]

_SNAPSHOT_AND_SLICE = 2
_PAUSE_SECONDS = 1.0
_Document = Any


def connections_document(connection: str) -> str:
    """The name of the document that has the places of a connection."""
    return f"connections-{block_name(connection)}"


@contextmanager
def places_of_read(
    connection: str,
    source: SourceDatabase,
    documents: SharedDocuments,
    *,
    where: str,
    seconds: float | None,
) -> Iterator[Callable[[int], int]]:
    """Hold the places of one read of a source.

    Args:
        connection: The source, as contracts name it.
        source: Its block, which has the limit.
        documents: Where the places are kept.
        where: The load; others see that it holds them.
        seconds: How long it may wait at most, beside the block's own limit.

    Yields:
        How many slices may be read side by side, of so many that are wanted.

    Raises:
        SourceBusyError: No places became free in time.
    """
    if source.max_connections is None:
        yield int
        return
    holder = _Holder(
        connection, source.max_connections, documents, f"{where} {secrets.token_hex(4)}"
    )
    longest = source.connection_wait_seconds
    try:
        holder.wait(min(longest, seconds if seconds is not None else longest), where)
    except (StoreUnavailableError, ValueError) as error:
        get_logger("strandline").warning(
            "%s: the connections to %s can't be counted (%s); it is read without their limit",
            where,
            connection,
            error if isinstance(error, StoreUnavailableError) else type(error).__name__,
        )
        yield int
        return
    with holder.renewing():
        yield holder.widened


@dataclass(slots=True)
class _Holder:
    connection: str
    limit: int
    documents: SharedDocuments = field(repr=False)
    name: str
    places: int = 0

    def wait(self, seconds: float, where: str) -> None:
        """Take the places that a read needs, as soon as they are free."""
        until = time.monotonic() + seconds
        while not self._take(_SNAPSHOT_AND_SLICE):
            if time.monotonic() >= until:
                raise SourceBusyError(
                    where=f"{where}, source {self.connection}",
                    expected=f"{_SNAPSHOT_AND_SLICE} of its {self.limit} connections to be free",
                    found=f"that other runs hold them, for {seconds:.0f} s",
                    next_step=f"strandline source status {self.connection} shows who holds them; "
                    "run again later, or raise `max_connections` of the source's block. "
                    "Nothing was changed.",
                )
            time.sleep(_PAUSE_SECONDS * random.uniform(0.5, 1.5))  # noqa: S311 - no secret

    def widened(self, slices: int) -> int:
        """Take places for more slices, as far as they are free."""
        with suppress(StoreUnavailableError):
            self._take(1 + max(1, slices))
        return min(slices, self.places - 1)

    @contextmanager
    def renewing(self) -> Iterator[None]:
        """Renew the lease meanwhile, and give the places back at the end."""
        ended = threading.Event()
        # A thread knows nothing of the settings of the one that starts it.
        context = contextvars.copy_context()
        thread = threading.Thread(
            target=context.run, args=(self._renew, ended), name="connection-lease", daemon=True
        )
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()
            with suppress(StoreUnavailableError):  # then they are free when the lease is over
                self.documents.change(connections_document(self.connection), self._freed)

    def _renew(self, ended: threading.Event) -> None:
        while not ended.wait(LEASE_SECONDS / 3):
            with suppress(StoreUnavailableError):
                self.documents.change(connections_document(self.connection), self._kept)

    def _take(self, most: int) -> int:
        def take(document: _Document, now: float) -> tuple[_Document, int]:
            places, granted = Places.read(document, now).take(
                self.name, now, least=_SNAPSHOT_AND_SLICE, most=most, limit=self.limit
            )
            return places.document() if granted else None, granted

        granted = self.documents.change(connections_document(self.connection), take)
        self.places = granted or self.places
        return granted

    def _kept(self, document: _Document, now: float) -> tuple[_Document, None]:
        return Places.read(document, now).keep(self.name, self.places, now).document(), None

    def _freed(self, document: _Document, now: float) -> tuple[_Document, None]:
        return Places.read(document, now).free(self.name).document(), None
