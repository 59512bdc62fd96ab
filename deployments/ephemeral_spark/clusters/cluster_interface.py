"""The interface of a cluster to its work pool, wherever the cluster runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

__all__ = ["Cluster", "Ending"]


@dataclass(frozen=True, slots=True)
class Ending:
    """How a cluster ended: status 0 when intended, the reason, and its last lines of output."""

    status: int
    reason: str
    output: tuple[str, ...] = ()


class Cluster(Protocol):
    """A Spark cluster for one flow run, which its watchdog ends when the worker can't."""

    carries_flow: bool
    """Whether the flow runs in the cluster, or beside it as a process of the worker."""

    async def start(self) -> Mapping[str, str]:
        """Start the cluster, and wait until it can be used.

        Returns:
            The environment by which a flow beside the cluster finds it.

        Raises:
            StrandlineError: It does not start.
        """
        ...

    async def ended(self) -> Ending:
        """Wait until it is over: the job run ended, or the cluster was lost."""
        ...

    async def cancel(self) -> None:
        """End what runs on other machines; the watchdog ends what runs on this one."""
        ...
