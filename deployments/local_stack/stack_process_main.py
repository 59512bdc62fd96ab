"""Become one process of the stack: a server, or the worker of a pool.

`python -m deployments.local_stack.stack_process_main server PORT`, or `worker POOL`.

The process replaces itself by Prefect's server or worker and keeps its number. So the records of
it, here and in the embedded PostgreSQL's list of users, stay true until the server ends, however
it ends.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

from deployments.local_stack.stack_paths import StackPaths
from deployments.local_stack.stack_processes import MARK

DATABASE = "prefect"
HOST = "127.0.0.1"


def main(kind: str, subject: str) -> None:
    """Become the server on a port, or the worker of a pool.

    Raises:
        EnvironmentUnfitError: PostgreSQL does not start.
    """
    # A shell script that starts something in the background lets it ignore interrupts, and children
    # inherit that; Prefect's worker would never stop.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    if kind == "server":
        _become(_server(subject), _database(StackPaths(Path(os.environ[MARK]))))
    else:
        _become(_worker(subject), {})


def _database(paths: StackPaths) -> Mapping[str, str]:
    from urllib.parse import quote  # noqa: PLC0415 - a worker needs none of this

    from blocks.embedded_postgres import EmbeddedPostgres  # noqa: PLC0415
    from deployments.local_stack.pg_trgm_for_prefect import stand_in  # noqa: PLC0415

    postgres = EmbeddedPostgres(paths.postgres)
    postgres.start()
    postgres.create_database(DATABASE)
    stand_in(postgres, DATABASE)
    password = quote(postgres.password.get_secret_value(), safe="")
    address = f"{postgres.user}:{password}@{postgres.host}:{postgres.port}/{DATABASE}"
    return {"PREFECT_SERVER_DATABASE_CONNECTION_URL": f"postgresql+asyncpg://{address}"}


def _server(port: str) -> list[str]:
    """Prefect's web application. `prefect server start` would stay as its parent, and when that is
    killed, the application goes on.
    """
    return [
        *("uvicorn", "--factory", "prefect.server.api.server:create_app"),
        *("--host", HOST, "--port", port),
        *("--timeout-keep-alive", "5", "--log-level", "warning"),
    ]


def _worker(pool: str) -> list[str]:
    return [
        *("prefect", "worker", "start", "--pool", pool, "--name", f"local-{pool}"),
        *("--install-policy", "never", "--no-create-pool-if-not-found"),
    ]


def _become(module: list[str], variables: Mapping[str, str]) -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    os.execve(  # noqa: S606 - our own arguments
        sys.executable, [sys.executable, "-m", *module], {**os.environ, **variables}
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
