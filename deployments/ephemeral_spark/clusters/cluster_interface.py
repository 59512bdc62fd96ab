"""What a work pool of ephemeral Spark clusters needs of a cluster, wherever it runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

__all__ = ["Cluster", "Ending"]


@dataclass(frozen=True, slots=True)
class Ending:
    """How a cluster ended: status 0 when it was meant to, why, and what it said last."""

    status: int
    reason: str
    said: tuple[str, ...] = ()


class Cluster(Protocol):
    """A Spark cluster for one flow run, which its guardian ends when the worker can't."""

    carries_flow: bool
    """Whether the flow runs in it, or beside it as a process of the worker."""

    async def start(self) -> Mapping[str, str]:
        """Start it, and wait until it can be used.

        Returns:
            The environment through which a flow beside it finds it.

        Raises:
            StrandlineError: It does not start.
        """
        ...

    async def ended(self) -> Ending:
        """Wait until it is over: the job run ended, or the cluster was lost."""
        ...

    async def cancel(self) -> None:
        """Have what runs elsewhere end; what runs here is ended with the guardian."""
        ...
