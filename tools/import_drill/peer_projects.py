"""The projects of the other tools: what is written of them, and their runs."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from urllib.parse import quote

from blocks.embedded_postgres import EmbeddedPostgres

HERE = Path(__file__).parent
_DBT_PROJECT = """\
name: crm
version: "1.0"
profile: crm
flags: {send_anonymous_usage_stats: false}
"""
_DBT_PROFILE = """\
crm:
  target: crm
  outputs:
    crm:
      type: postgres
      host: "{host}"
      port: {port}
      user: "{user}"
      password: "{{{{ env_var('DRILL_PASSWORD') }}}}"
      dbname: "{database}"
      schema: analytics
      threads: 1
"""


@dataclass(frozen=True, slots=True)
class Peers:
    """The other tools, and the database that they work in.

    Attributes:
        environment: The virtual environment that they are installed in.
        server: The PostgreSQL.
        database: The name of the database there.
        folder: Where their projects are.
    """

    environment: Path
    server: EmbeddedPostgres
    database: str
    folder: Path

    def write_dbt(self, files: dict[str, str]) -> None:
        """Make a project of these files below its folder."""
        folder = self.folder / "dbt"
        profile = _DBT_PROFILE.format(
            host=self.server.host,
            port=self.server.port,
            user=self.server.user,
            database=self.database,
        )
        own = {"dbt_project.yml": _DBT_PROJECT, "profiles.yml": profile}
        _write(folder, {**own, **files})

    def dbt_snapshot(self) -> Path:
        """Run `dbt snapshot`; the manifest that it writes."""
        folder = self.folder / "dbt"
        self._run(self.environment / "bin/dbt", "snapshot", "--project-dir", folder,
                  "--profiles-dir", folder, folder=folder)  # fmt: skip
        return folder / "target" / "manifest.json"

    def write_sqlmesh(self, models: dict[str, str]) -> None:
        """Make a project of these models."""
        _write(self.folder / "sqlmesh", {f"models/{name}": text for name, text in models.items()})

    def sqlmesh_run(self, at: datetime) -> None:
        """Run the models that are due at that time."""
        folder = self.folder / "sqlmesh"
        self._python("run_sqlmesh.py", folder, f"{at:%Y-%m-%d %H:%M:%S}", folder=folder)

    def dlt_load(self, table: str, dataset: str) -> Path:
        """Load the table with the strategy scd2; the schema that dlt exports."""
        folder = self.folder / "dlt"
        folder.mkdir(parents=True, exist_ok=True)
        self._python("run_dlt.py", table, dataset, folder, folder=folder)
        return folder / "schemas" / "crm.schema.yaml"

    def _python(self, script: str, *words: object, folder: Path) -> None:
        self._run(self.environment / "bin/python", HERE / script, *words, folder=folder)

    def _run(self, *words: object, folder: Path) -> None:
        password = self.server.password.get_secret_value()
        user = f"{self.server.user}:{quote(password)}"
        url = f"postgresql://{user}@{self.server.host}:{self.server.port}/{self.database}"
        done = subprocess.run(  # noqa: S603 - programs of an environment of our own
            [str(word) for word in words],
            cwd=folder,
            env={**os.environ, "DRILL_URL": url, "DRILL_PASSWORD": password, "TZ": "UTC"},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            message = f"{words[0]} failed:\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
            raise RuntimeError(message)


def _write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
