"""How many connections all runs together hold to a source: from one state to the next.

A holder has a lease, which it renews while it lives. When it dies, its places are free as soon as
the lease is over. Moments are as in `blocks.coordination.circuit_breaker`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

__all__ = ["LEASE_SECONDS", "Lease", "Places"]

LEASE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Lease:
    """The places of one holder, and until when they are its own."""

    places: int
    until: float


@dataclass(frozen=True, slots=True)
class Places:
    """The places that are taken, by holder."""

    leases: Mapping[str, Lease] = field(default_factory=dict)

    @classmethod
    def read(cls, document: Mapping[str, Any] | None, now: float) -> Places:
        """The places of a document, without those whose lease is over.

        A lease that reaches further than any does is of a clock that was set back: it is over too.

        Raises:
            ValueError: The document is none of places.
        """
        try:
            leases = {
                str(holder): Lease(int(places), float(until))
                for holder, (places, until) in (document or {}).items()
            }
        except (TypeError, ValueError) as error:
            message = "no document of places"
            raise ValueError(message) from error
        return cls(
            {
                holder: lease
                for holder, lease in leases.items()
                if now < lease.until <= now + LEASE_SECONDS
            }
        )

    def document(self) -> dict[str, Any]:
        """The places as plain values."""
        return {holder: [each.places, each.until] for holder, each in self.leases.items()}

    @property
    def taken(self) -> int:
        """How many are taken."""
        return sum(each.places for each in self.leases.values())

    def take(
        self, holder: str, now: float, *, least: int, most: int, limit: int
    ) -> tuple[Places, int]:
        """Take what is free of `limit` places, at least `least` and at most `most`, or none.

        Places that the holder has already are free for it.

        Returns:
            The places afterwards, and how many the holder has now; 0: fewer than `least` are free.
        """
        others = self.free(holder)
        granted = min(most, limit - others.taken)
        if granted < least:
            return self, 0
        lease = Lease(granted, now + LEASE_SECONDS)
        return replace(others, leases={**others.leases, holder: lease}), granted

    def keep(self, holder: str, places: int, now: float) -> Places:
        """Renew the holder's lease; a lease that was lost is taken again, whatever the limit."""
        lease = Lease(places, now + LEASE_SECONDS)
        return replace(self, leases={**self.leases, holder: lease})

    def free(self, holder: str) -> Places:
        """The places without those of the holder."""
        rest = {name: each for name, each in self.leases.items() if name != holder}
        return replace(self, leases=rest)
