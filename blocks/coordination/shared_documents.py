"""Small documents that several runs read and change, each change at once and lost by nobody.

They lie where the blocks of a run lie: on its Prefect server, where every machine finds them, or,
for a run with a block file, in the state directory, where all runs of this machine do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol, TypeVar

from blocks.coordination.file_documents import FileDocuments
from blocks.coordination.server_documents import ServerDocuments

__all__ = ["SharedDocuments", "shared_documents"]

T = TypeVar("T")
Document = Mapping[str, Any]


class SharedDocuments(Protocol):
    """A place of documents, each a JSON object under a name of lower case, digits and dashes."""

    def read(self, name: str) -> tuple[Document | None, float]:
        """A document, None where there is none, and the time by the clock of the place.

        Raises:
            StoreUnavailableError: The place does not answer.
        """
        ...

    def change(
        self, name: str, change: Callable[[Document | None, float], tuple[Document | None, T]]
    ) -> T:
        """Change a document at once; of two runs, the later one changes what the earlier one left.

        Args:
            name: Of the document.
            change: From the document and the time to the new document, None for no change, and
                the result. It may be called several times.

        Raises:
            StoreUnavailableError: The place does not answer, or too many others change it.
        """
        ...


def shared_documents(state_directory: Path, *, on_server: bool) -> SharedDocuments:
    """The place that the runs share which find their blocks where this one does.

    Args:
        state_directory: Of the run settings.
        on_server: The blocks are on a Prefect server.
    """
    return ServerDocuments() if on_server else FileDocuments(state_directory / "sources")
