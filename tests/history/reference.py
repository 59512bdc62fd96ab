"""The history of one key in plain Python: slow, obvious, and independent of the engine."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Event:
    """One change event; `tracked` opens versions, `rest` is overwritten within them."""

    key: int
    at: int
    tracked: str | None
    rest: int | None = 0
    operation: str = "upsert"
    tie: int = 0

    @property
    def said(self) -> tuple[object, ...]:
        return ("delete",) if self.operation == "delete" else (self.tracked, self.rest)


Version = tuple[int, "str | None", "int | None", int, "int | None"]


def history(events: list[Event]) -> list[Version]:
    """(key, tracked, rest, from, to) of every version; `to` is None while it is open."""
    versions: list[Version] = []
    for key in sorted({event.key for event in events}):
        mine = [event for event in events if event.key == key]
        state: Event | None = None
        for at in sorted({event.at for event in mine}):
            here = [event for event in mine if event.at == at]
            strongest = [e for e in here if e.tie == max(other.tie for other in here)]
            if len({event.said for event in strongest}) > 1:
                continue  # contested: nobody knows what was true here
            event = strongest[0]
            if event.operation == "delete":
                if state is not None:
                    versions[-1] = (*versions[-1][:4], at)
                state = None
            elif state is not None and state.tracked == event.tracked:
                versions[-1] = (*versions[-1][:2], event.rest, *versions[-1][3:])
            else:
                if state is not None:
                    versions[-1] = (*versions[-1][:4], at)
                versions.append((key, event.tracked, event.rest, at, None))
                state = event
    return versions
