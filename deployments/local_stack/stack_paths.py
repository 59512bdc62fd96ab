"""The files of the local stack: all below one directory, for its owner alone."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

__all__ = ["StackPaths"]


@dataclass(frozen=True, slots=True)
class StackPaths:
    """The files of one stack.

    Attributes:
        root: The stack's directory, absolute; its name also marks the stack's processes.
    """

    root: Path

    @classmethod
    def below(cls, state_directory: Path) -> StackPaths:
        """The paths of the stack of a state directory such as `.strandline`."""
        return cls(state_directory.expanduser().resolve() / "stack")

    @property
    def postgres(self) -> Path:
        """The embedded PostgreSQL with the server's database."""
        return self.root / "postgres"

    @property
    def record(self) -> Path:
        """The record of the stack's processes."""
        return self.root / "processes.json"

    @property
    def lock(self) -> Path:
        """Held while the stack is started or ended."""
        return self.root / "lock"

    @property
    def login(self) -> Path:
        """The login of the server; made with the stack."""
        return self.root / "login"

    @property
    def environment(self) -> Path:
        """The settings that a shell reads to connect to the server."""
        return self.root / "environment"

    @property
    def prefect_home(self) -> Path:
        """Prefect's own directory, separate from the user's."""
        return self.root / "prefect"

    def log(self, member: str) -> Path:
        """The log of a member."""
        return self.root / f"{member}.log"
