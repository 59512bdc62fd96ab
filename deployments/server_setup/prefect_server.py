"""The Prefect server that is set up, and its failures as Strandline's errors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import httpx
from prefect.client.base import ServerType
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.exceptions import PrefectHTTPStatusError
from prefect.settings import PREFECT_API_URL

from contracts.errors import SettingsError

__all__ = ["connected", "is_cloud", "no_server"]

_DENIED = (401, 403)
_LOG_IN = "Set PREFECT_API_AUTH_STRING or PREFECT_API_KEY to a login that may do this."
_LOOK = "Look into the server's log."


@contextmanager
def connected() -> Iterator[SyncPrefectClient]:
    """A client of the configured server; its failures become Strandline's errors.

    Raises:
        SettingsError: No server is configured, it does not answer, or it refuses.
    """
    if not PREFECT_API_URL.value():
        raise no_server()
    try:
        with get_client(sync_client=True) as client:
            yield client
    except PrefectHTTPStatusError as error:
        status = error.response.status_code
        found = f"HTTP status {status}"
        raise _refused(found, _LOG_IN if status in _DENIED else _LOOK) from None
    except httpx.HTTPError as error:
        raise _refused(
            type(error).__name__, "See that the server runs: strandline up, or its own log."
        ) from None


def is_cloud(client: SyncPrefectClient) -> bool:
    """Whether this is Prefect Cloud and not a server of one's own."""
    return client.server_type == ServerType.CLOUD


def no_server() -> SettingsError:
    """The error when no server is configured."""
    return SettingsError(
        where="Prefect",
        expected="a server to set up",
        found="no PREFECT_API_URL, and no local stack that runs",
        next_step="Start one (strandline up), or set PREFECT_API_URL.",
    )


def _refused(found: str, next_step: str) -> SettingsError:
    return SettingsError(
        where=f"Prefect server {PREFECT_API_URL.value()}",
        expected="an answer",
        found=found,
        next_step=next_step,
    )
