"""Where Spark runs, and the sessions on it.

Promise: one Spark per process, however many callers there are. Each lakehouse gets a session in
which its catalog is configured, and sessions do not see each other's settings.

A work pool may give a run a cluster of its own. Its address comes from the environment and takes
precedence over the block's master, so that flows and blocks are the same with and without such a
pool.
"""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path
from typing import ClassVar, Literal, Self

from prefect.blocks.core import Block
from pydantic import ConfigDict, Field, HttpUrl, SecretStr, model_validator
from pyspark.sql import SparkSession

from blocks.iceberg.spark_extensions import ICEBERG_EXTENSIONS
from blocks.lakehouse import Lakehouse
from blocks.prefect_ui.block_type_descriptions import BLOCK_DOCUMENTATION, STORAGE_LOGO
from blocks.spark import create_session, jvm_launch, python_worker_daemon, spark_connect
from blocks.spark.java_installation import ensure_java
from blocks.spark.jvm_class_archive import archive_option
from blocks.spark.log4j_config import JVM_LOG_OPTION, silence_query_loggers
from contracts.errors import EnvironmentUnfitError

__all__ = ["SparkRuntime"]

_JAVA_OPTIONS = "spark.driver.extraJavaOptions"
_LOOPBACK = "127.0.0.1"
_CLUSTER = "STRANDLINE_SPARK_MASTER"
"""Names the master of a cluster that was started for this process, on this machine."""
_SECRET = "_SPARK_AUTH_SECRET"  # noqa: S105 - Spark's own variable, which executors read
_ON_LOOPBACK = {
    # Spark would look for the host's own name and listen there.
    "spark.driver.host": _LOOPBACK,
    "spark.driver.bindAddress": _LOOPBACK,
}
_START_LOCK = threading.Lock()


class SparkRuntime(Block):
    """Where Spark runs: in this process's own JVM, on a cluster, or behind Spark Connect.

    Example:
        Load the block and open a session on a lakehouse:
        ```python
        from blocks.lakehouse import Lakehouse
        from blocks.spark_runtime import SparkRuntime

        runtime = SparkRuntime.load("BLOCK_NAME")
        spark = runtime.session(Lakehouse.load("LAKEHOUSE_NAME"))
        ```
    """

    model_config = ConfigDict(hide_input_in_errors=True)

    _block_type_name = "Strandline Spark Runtime"
    _block_type_slug = "strandline-spark-runtime"
    _documentation_url: ClassVar[HttpUrl] = BLOCK_DOCUMENTATION
    _logo_url: ClassVar[HttpUrl] = STORAGE_LOGO

    kind: Literal["local", "master", "connect"] = Field(
        default="local",
        description="In this machine's JVM (local), on a cluster (master) or by Spark Connect.",
    )
    master: str = Field(
        default="local[*]",
        description=(
            "local[N] (local), spark://host:7077 or k8s://... (master), sc://host:15002 "
            "(connect; local[N] there starts a server of one's own)."
        ),
    )
    connect_token: SecretStr | None = Field(
        default=None, description="Bearer token of a Spark Connect server; it needs TLS."
    )
    driver_memory: str = Field(
        default="2g", pattern=r"^\d+[mg]$", description="Heap of the driver, such as 2g."
    )
    shuffle_partitions: int = Field(
        default=8, ge=1, description="Partitions of a shuffle before adaptive planning joins them."
    )
    executor_memory: str | None = Field(
        default=None, pattern=r"^\d+[mg]$", description="Heap of each executor on a cluster."
    )
    executor_cores: int | None = Field(
        default=None, ge=1, description="Cores of each executor on a cluster."
    )
    executor_instances: int | None = Field(
        default=None, ge=1, description="How many executors a cluster is asked for."
    )
    ui: bool = Field(default=False, description="Whether Spark's own web pages are served.")
    packages: tuple[str, ...] = Field(
        default=(), description="Maven coordinates of further jars, group:artifact:version."
    )
    configuration: dict[str, str] = Field(
        default_factory=dict,
        description="Further Spark properties; they win over Strandline's. Keep secrets out.",
    )
    log_directory: Path = Field(
        default=Path(".strandline/logs"),
        description="Where all that the JVM writes is kept, a file per process.",
    )

    @model_validator(mode="after")
    def _master_fits_kind(self) -> Self:
        local = self.master.startswith("local")
        fits = {
            "local": local,
            "master": not local and not self.master.startswith("sc://"),
            "connect": local or self.master.startswith("sc://"),
        }
        if not fits[self.kind] or "token=" in self.master:
            message = f"the master does not fit kind {self.kind}, or it holds a token"
            raise ValueError(message)
        return self

    def session(
        self, lakehouse: Lakehouse, *source_packages: str, shared: bool = True
    ) -> SparkSession:
        """A session with the lakehouse's catalog; the first call starts Spark.

        Args:
            lakehouse: Its catalog is configured under its name.
            source_packages: Maven coordinates of the source's JDBC driver.
            shared: Return the same session to every caller with the same arguments. Otherwise a
                session of the caller's own, whose settings (snapshot properties) no other caller
                sees or changes.

        Raises:
            EnvironmentUnfitError: There is no Java that fits, or Spark does not start.
            SettingsError: Spark runs already, and not as this block needs it.
        """
        silence_query_loggers()
        packages = tuple(dict.fromkeys((*lakehouse.packages(), *source_packages, *self.packages)))
        wanted = {**self._session_settings(), **lakehouse.spark_configuration()}
        with _START_LOCK:
            if self.master.startswith("sc://"):
                return spark_connect.connect(self.master, self.connect_token, wanted, shared=shared)
            running = jvm_launch.running_session()
            if running is None:
                running = self._launch(packages, lakehouse)
            if master := self._master():
                create_session.check(running, master, packages)
            create_session.conceal(running, wanted)
            jvm_launch.tell_driver(running, lakehouse.driver_properties())
            if self.kind == "connect":
                return spark_connect.connect_locally(running, wanted, shared=shared)
            return create_session.fitting(running, wanted, shared=shared)

    def _master(self) -> str:
        """The master of this process's Spark; empty where spark-submit got it."""
        if self.kind == "connect":
            return self.master
        if jvm_launch.submitted():
            return ""
        return os.environ.get(_CLUSTER, self.master)

    def _launch(self, packages: tuple[str, ...], lakehouse: Lakehouse) -> SparkSession:
        ensure_java()
        settings = {
            "spark.app.name": "strandline",
            "spark.master": self._master(),
            "spark.jars.packages": ",".join(packages),
            "spark.sql.extensions": ICEBERG_EXTENSIONS,
            "spark.driver.memory": self.driver_memory,
            "spark.ui.enabled": str(self.ui).lower(),
            "spark.ui.showConsoleProgress": "false",
            # Shuffles and spills of the pass that protects hold rows in the clear.
            "spark.io.encryption.enabled": "true",
            "spark.io.encryption.keySizeBits": "256",
            **self._executor_settings(),
            # A load compiles more classes than Spark's default of 100: it would compile all again.
            "spark.sql.codegen.cache.maxEntries": "2000",
            **(spark_connect.local_server() if self.kind == "connect" else {}),
            **self._session_settings(),
        }
        java_options = self.configuration.get(_JAVA_OPTIONS, "")
        settings[_JAVA_OPTIONS] = " ".join(
            filter(None, ("-Duser.timezone=UTC", JVM_LOG_OPTION, archive_option(), java_options))
        )
        with jvm_launch.environment(self._environment()):
            confidential = {**lakehouse.spark_configuration(), **self._confidential()}
            return jvm_launch.launch(settings, confidential, log=self._log_file())

    def _session_settings(self) -> dict[str, str]:
        """The settings of every session."""
        return {
            "spark.sql.adaptive.enabled": "true",
            # What Spark infers of conditions grows exponentially with their aliases: planning
            # twenty checks of a row took five times as long as reading 100,000 rows.
            "spark.sql.constraintPropagation.enabled": "false",
            # PySpark would send Spark a dozen calls about the source line of each column function.
            # Two thirds of all calls in a small load were these.
            "spark.python.sql.dataFrameDebugging.enabled": "false",
            # HotSpot compiles no method of more than 8,000 octets of bytecode: Spark's limit of
            # 65,535 leaves large steps to the interpreter.
            "spark.sql.codegen.hugeMethodLimit": "8000",
            "spark.sql.ansi.enabled": "true",
            "spark.sql.session.timeZone": "UTC",
            "spark.sql.shuffle.partitions": str(self.shuffle_partitions),
            **{name: text for name, text in self.configuration.items() if name != _JAVA_OPTIONS},
        }

    def _executor_settings(self) -> dict[str, str]:
        master = self._master()
        if master.startswith("local"):
            return {**_ON_LOOPBACK, "spark.python.daemon.module": python_worker_daemon.MODULE}
        sizes = {
            "spark.executor.memory": self.executor_memory,
            "spark.executor.cores": self.executor_cores,
            "spark.executor.instances": self.executor_instances,
        }
        return {
            "spark.executor.extraJavaOptions": "-Duser.timezone=UTC",
            **{name: str(size) for name, size in sizes.items() if size is not None},
            **(_ON_LOOPBACK if _CLUSTER in os.environ else {}),
        }

    def _confidential(self) -> dict[str, str]:
        """The authentication that a cluster started for this process requires."""
        if _CLUSTER not in os.environ or _SECRET not in os.environ:
            return {}
        return {"spark.authenticate": "true", "spark.authenticate.secret": os.environ[_SECRET]}

    def _environment(self) -> dict[str, str]:
        if not self._master().startswith("local"):
            return _names_in_utf8()
        python = os.environ.get("PYSPARK_PYTHON", sys.executable)
        return {"SPARK_LOCAL_IP": _LOOPBACK, "PYSPARK_PYTHON": python, **_names_in_utf8()}

    def _log_file(self) -> Path:
        try:
            self.log_directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise EnvironmentUnfitError(
                where=f"log directory {self.log_directory}",
                expected="a directory that can be made",
                found=error.strerror or type(error).__name__,
                next_step="Correct `log_directory` in the Spark block.",
            ) from error
        return self.log_directory / f"spark-{os.getpid()}.log"


def _names_in_utf8() -> dict[str, str]:
    """Variables that make Java name files as Python does: in the locale C it uses ASCII only."""
    variables = (os.environ.get(name) for name in ("LC_ALL", "LC_CTYPE", "LANG"))
    locale = next(filter(None, variables), "").lower().replace("-", "")
    return {} if locale.endswith("utf8") else {"LC_ALL": "C.UTF-8"}
