"""Shared documents as files, for the runs that share a directory.

Promise: a change is made under a lock that ends with its process, and a reader sees the whole of
one document.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from blocks.coordination.store_errors import StoreUnavailableError
from blocks.operating_system.owner_only_file import locked, write_private

__all__ = ["FileDocuments"]

T = TypeVar("T")
Document = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class FileDocuments:
    """Documents in a directory; the clock is the machine's."""

    directory: Path

    def read(self, name: str) -> tuple[Document | None, float]:
        """See `blocks.coordination.shared_documents.SharedDocuments`."""
        try:
            return self._document(name), time.time()
        except (OSError, ValueError) as error:
            raise _unavailable(error) from error

    def change(
        self, name: str, change: Callable[[Document | None, float], tuple[Document | None, T]]
    ) -> T:
        """See `blocks.coordination.shared_documents.SharedDocuments`."""
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            with locked(self.directory / f"{name}.lock"):
                document, result = change(self._document(name), time.time())
                if document is not None:
                    write_private(self.directory / f"{name}.json", json.dumps(document))
        except (OSError, ValueError) as error:
            raise _unavailable(error) from error
        return result

    def _document(self, name: str) -> Document | None:
        try:
            content = json.loads((self.directory / f"{name}.json").read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        if not isinstance(content, dict):
            message = "no JSON object"
            raise ValueError(message)  # noqa: TRY004 - as of any other text that is none
        return content


def _unavailable(error: Exception) -> StoreUnavailableError:
    return StoreUnavailableError(type(error).__name__)
