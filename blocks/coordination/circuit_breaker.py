"""A circuit breaker: from the state of a source's circuit to the next one.

Closed, the source is read. After some failures in a row it opens, and nobody tries the source for
a while. Then one run, the prober, tries it alone (half open): an answer closes the circuit, a
failure opens it again. A prober that dies is replaced when its lease is over.

Moments are seconds since 1970, of the one clock of the place that keeps the state.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from enum import StrEnum
from typing import Any

__all__ = ["Admission", "Circuit", "CircuitLimits", "CircuitState", "Transition"]


class CircuitState(StrEnum):
    """What a circuit is."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half open"


class Admission(StrEnum):
    """What a run that asks may do: read the source, try it for all others, or leave it alone."""

    READ = "read"
    PROBE = "probe"
    REFUSED = "refused"


class Transition(StrEnum):
    """What became of a circuit."""

    OPENED = "opened"
    HALF_OPENED = "half-opened"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class CircuitLimits:
    """When a circuit opens, and for how long.

    Attributes:
        failures: So many in a row open it.
        open_seconds: How long nobody tries the source then.
        probe_seconds: How long a prober may take before another run takes its place.
    """

    failures: int
    open_seconds: float
    probe_seconds: float


@dataclass(frozen=True, slots=True)
class Circuit:
    """The state of one source's circuit.

    Attributes:
        state: What it is.
        failures: How many there were in a row.
        since: When it opened first, since it was closed; 0 while it is closed.
        next_probe: When a run may try the source: at the end of the open time, or of the prober's
            lease; 0 while it is closed.
        prober: The run that tries the source, where it is half open.
        reason: What the last failure was, without any value from the data.
    """

    state: CircuitState = CircuitState.CLOSED
    failures: int = 0
    since: float = 0.0
    next_probe: float = 0.0
    prober: str = ""
    reason: str = ""

    @classmethod
    def read(cls, document: Mapping[str, Any] | None) -> Circuit:
        """The circuit of a document; a closed one where there is none.

        Raises:
            ValueError: The document is none of a circuit.
        """
        if document is None:
            return cls()
        try:
            known = {each.name: document[each.name] for each in fields(cls)}
            return cls(**{**known, "state": CircuitState(known["state"])})
        except (KeyError, TypeError) as error:
            message = "no document of a circuit"
            raise ValueError(message) from error

    def document(self) -> dict[str, Any]:
        """The circuit as plain values."""
        return {**asdict(self), "state": str(self.state)}

    def ask(self, run: str, now: float, limits: CircuitLimits) -> tuple[Circuit, Admission]:
        """What a run may do, and the circuit afterwards."""
        if self.state is CircuitState.CLOSED:
            return self, Admission.READ
        if not self._due(now, limits):
            return self, Admission.REFUSED
        until = now + limits.probe_seconds
        half = replace(self, state=CircuitState.HALF_OPEN, prober=run, next_probe=until)
        return half, Admission.PROBE

    def failed(
        self, run: str, now: float, limits: CircuitLimits, reason: str
    ) -> tuple[Circuit, Transition | None]:
        """The circuit after a failure of the source, in a read or a probe of the run."""
        counted = replace(self, failures=self.failures + 1, reason=reason)
        if self.state is CircuitState.CLOSED and counted.failures < limits.failures:
            return counted, None
        # A read that began before it opened says nothing new, nor does a prober that was replaced.
        if self.state is CircuitState.OPEN or (
            self.state is CircuitState.HALF_OPEN and self.prober != run
        ):
            return self, None
        opened = replace(
            counted,
            state=CircuitState.OPEN,
            since=self.since or now,
            next_probe=now + limits.open_seconds,
            prober="",
        )
        return opened, Transition.OPENED

    def answered(self) -> tuple[Circuit, Transition | None]:
        """The circuit after a probe that was answered, or a read that was completed."""
        changed = None if self.state is CircuitState.CLOSED else Transition.CLOSED
        return Circuit(), changed

    def _due(self, now: float, limits: CircuitLimits) -> bool:
        """Whether the wait is over; also if the clock was set back meanwhile."""
        longest = max(limits.open_seconds, limits.probe_seconds)
        return now >= self.next_probe or self.next_probe - now > longest
