"""One run of a SQLMesh project in PostgreSQL; run by the Python that has SQLMesh.

`python run_sqlmesh.py FOLDER EXECUTION_TIME` reads the connection from `DRILL_URL`.
"""

from __future__ import annotations

import os
import sys
from urllib.parse import unquote, urlsplit

os.environ["SQLMESH__DISABLE_ANONYMIZED_ANALYTICS"] = "true"

from sqlmesh import Context
from sqlmesh.core.config import Config, GatewayConfig, ModelDefaultsConfig, PostgresConnectionConfig


def main(folder: str, execution_time: str) -> None:
    """Apply the project where that was not done, and run what is due at that time."""
    url = urlsplit(os.environ["DRILL_URL"])
    connection = PostgresConnectionConfig(
        host=url.hostname or "",
        port=url.port or 0,
        user=url.username or "",
        password=unquote(url.password or ""),
        database=url.path.lstrip("/"),
    )
    config = Config(
        gateways={"drill": GatewayConfig(connection=connection)},
        default_gateway="drill",
        model_defaults=ModelDefaultsConfig(dialect="postgres"),
    )
    context = Context(paths=folder, config=config)
    context.plan(auto_apply=True, no_prompts=True, execution_time=execution_time)
    context.run(execution_time=execution_time)
    context.close()


if __name__ == "__main__":
    main(*sys.argv[1:3])
