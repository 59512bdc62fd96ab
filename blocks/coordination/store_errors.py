"""The one error of a place of shared documents, which stops no run."""

from __future__ import annotations

__all__ = ["StoreUnavailableError"]


class StoreUnavailableError(Exception):
    """The place of the documents does not answer.

    Who asked goes on as if there were nothing to agree on: the place must keep no source from
    being loaded.
    """
