"""Shared documents as variables of the Prefect server.

A server changes a variable without asking what it was. But it refuses a second variable of one
name, so each state of a document is a variable of its own, numbered: who read number 7 makes
number 8, or finds that somebody else was faster and begins again. The newest few are kept.

Promise: of two changes at the same time both count. Time is the server's.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar

import httpx
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.exceptions import PrefectHTTPStatusError
from prefect.settings import PREFECT_CLIENT_MAX_RETRIES, temporary_settings

from blocks.coordination.store_errors import StoreUnavailableError

__all__ = ["ServerDocuments"]

T = TypeVar("T")
Document = Mapping[str, Any]
_Stored = tuple[int, Document | None, float]

_TAG = "strandline-sources"
_KEPT = 4
_ATTEMPTS = 40
_LONGEST_PAUSE_SECONDS = 0.2
_TIMEOUT_SECONDS = 5.0
_CONFLICT = 409


class ServerDocuments:
    """Documents on the configured server."""

    def read(self, name: str) -> tuple[Document | None, float]:
        """See `blocks.coordination.shared_documents.SharedDocuments`."""
        with _connected() as client:
            _, document, now = _newest(client, name)
        return document, now

    def change(
        self, name: str, change: Callable[[Document | None, float], tuple[Document | None, T]]
    ) -> T:
        """See `blocks.coordination.shared_documents.SharedDocuments`."""
        with _connected() as client:
            for _ in range(_ATTEMPTS):
                number, current, now = _newest(client, name)
                document, result = change(current, now)
                if document is None or _stored(client, name, number + 1, document):
                    return result
                time.sleep(random.uniform(0, _LONGEST_PAUSE_SECONDS))  # noqa: S311 - no secret
        message = "too many changes at the same time"
        raise StoreUnavailableError(message)


@contextmanager
def _connected() -> Iterator[SyncPrefectClient]:
    """A client that gives up soon: a source must not wait for it."""
    try:
        with (
            temporary_settings({PREFECT_CLIENT_MAX_RETRIES: 1}),
            get_client(sync_client=True, httpx_settings={"timeout": _TIMEOUT_SECONDS}) as client,
        ):
            yield client
    except (PrefectHTTPStatusError, httpx.HTTPError, ValueError, RuntimeError) as error:
        raise StoreUnavailableError(type(error).__name__) from error


def _newest(client: SyncPrefectClient, name: str) -> _Stored:
    """The greatest number, its document and the server's time; 0 and None where there is none."""
    found, now = _all(client, name, limit=1)
    if not found:
        return 0, None, now
    document = found[0]["value"]
    if not isinstance(document, dict):
        message = "no JSON object"
        raise ValueError(message)  # noqa: TRY004 - as of any other value that is none
    return _number(found[0]), document, now


def _stored(client: SyncPrefectClient, name: str, number: int, document: Document) -> bool:
    """Whether this state became the next one: nobody else made one of this number."""
    try:
        client.request(
            "POST",
            "/variables/",
            json={
                "name": f"{name}-{number:010}",
                "value": dict(document),
                "tags": [_TAG, _tag(name)],
            },
        )
    except PrefectHTTPStatusError as error:
        if error.response.status_code == _CONFLICT:
            return False
        raise
    states, _ = _all(client, name, limit=200)
    for each in states[_KEPT:]:
        _removed(client, each["id"])
    # A number that was removed already can be made again, by who slept since it read: too late.
    return not states or _number(states[0]) < number + _KEPT


def _removed(client: SyncPrefectClient, identifier: str) -> None:
    try:
        client.request("DELETE", "/variables/{id}", path_params={"id": identifier})
    except PrefectHTTPStatusError as error:
        if error.response.status_code != httpx.codes.NOT_FOUND:  # another run removed it
            raise


def _all(client: SyncPrefectClient, name: str, *, limit: int) -> tuple[list[Any], float]:
    response = client.request(
        "POST",
        "/variables/filter",
        json={
            "variables": {"tags": {"all_": [_tag(name)]}},
            "sort": "NAME_DESC",
            "limit": limit,
        },
    )
    return response.json(), _time(response)


def _time(response: httpx.Response) -> float:
    """The time by the server's clock; by this machine's where it does not say."""
    date = response.headers.get("date")
    return time.time() if date is None else parsedate_to_datetime(date).timestamp()


def _number(variable: Mapping[str, Any]) -> int:
    return int(str(variable["name"]).rpartition("-")[2])


def _tag(name: str) -> str:
    return f"{_TAG}:{name}"
