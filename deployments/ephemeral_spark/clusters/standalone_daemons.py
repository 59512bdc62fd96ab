"""The commands, files and environment of Spark's standalone daemons.

Spark's own start scripts would each run a second JVM that only builds the command line; here the
daemons are started directly, with the JVM options that Spark's launcher gives them. Everything
listens on the loopback interface, on ports that the system chooses.
"""

from __future__ import annotations

import os
import re
import sys
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Self

from blocks.operating_system.owner_only_file import write_private
from deployments.ephemeral_spark.clusters.cluster_processes import MARK

__all__ = ["HOST", "STARTUP", "ClusterShape", "master_url", "registered"]

HOST = "127.0.0.1"
STARTUP = Path(__file__).parents[1] / "sigterm_ends_flow"
"""A folder for the Python path of a flow's process, which makes SIGTERM end the process."""

_MASTER = re.compile(r"Starting Spark master at (spark://\S+)")
_REGISTERED = "Successfully registered with master"

_OPENED = (
    *("java.lang", "java.lang.invoke", "java.lang.reflect", "java.io", "java.net", "java.nio"),
    *("java.util", "java.util.concurrent", "java.util.concurrent.atomic", "jdk.internal.ref"),
    *("sun.nio.ch", "sun.nio.cs", "sun.security.action", "sun.util.calendar"),
)
_JVM_OPTIONS = (
    # As org.apache.spark.launcher.JavaModuleOptions has them.
    "-XX:+IgnoreUnrecognizedVMOptions",
    "--add-modules=jdk.incubator.vector",
    *(f"--add-opens=java.base/{package}=ALL-UNNAMED" for package in _OPENED),
    "--add-opens=java.security.jgss/sun.security.krb5=ALL-UNNAMED",
    "-Djdk.reflect.useDirectMethodHandle=false",
    "-Dio.netty.tryReflectionSetAccessible=true",
    "-Dio.netty.allocator.type=pooled",
    # A daemon moves messages, not rows: it should start fast and stay small.
    *("-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"),
    "-XX:-UsePerfData",
)
_PROPERTIES = ("spark.authenticate=true", "spark.ui.killEnabled=false")


@dataclass(frozen=True, slots=True)
class ClusterShape:
    """How large a cluster is: `memory` is that of each worker, such as 1g."""

    java_home: str
    workers: int
    cores: int
    memory: str
    secret: str

    @classmethod
    def read(cls, fields: dict[str, Any]) -> Self:
        """The shape that `fields` was called on."""
        return cls(**fields)

    def fields(self) -> dict[str, Any]:
        """The values as JSON takes them; they hold the cluster's secret."""
        return asdict(self)

    def master(self, directory: Path) -> list[str]:
        """The command that starts the master."""
        return [
            *self._java(directory),
            "org.apache.spark.deploy.master.Master",
            *("--host", HOST, "--port", "0", "--webui-port", "0"),
        ]

    def worker(self, directory: Path, master: str) -> list[str]:
        """The command that starts one worker."""
        return [
            *self._java(directory),
            "org.apache.spark.deploy.worker.Worker",
            *("--host", HOST, "--port", "0", "--webui-port", "0"),
            *("--cores", str(self.cores), "--memory", self.memory),
            *("--work-dir", str(directory / "work"), master),
        ]

    def prepare(self, directory: Path) -> None:
        """Make the folders and files in a cluster's directory."""
        for name in ("conf", "local", "logs", "tmp", "work"):
            (directory / name).mkdir(mode=0o700, exist_ok=True)
        lines = [option.replace("=", " ", 1) for option in _PROPERTIES]
        (directory / "conf" / "spark-defaults.conf").write_text("\n".join(lines) + "\n", "utf-8")
        # For the executors, whose command lines Spark builds.
        options = f'-Djava.io.tmpdir="{directory / "tmp"}"\n-XX:-UsePerfData\n'
        (directory / "conf" / "java-opts").write_text(options, "utf-8")

    def daemon_environment(self, directory: Path) -> dict[str, str]:
        """The environment of the daemons and of the executors that they start."""
        return {
            **self._common(directory),
            "SPARK_HOME": str(_spark_home()),
            "SPARK_CONF_DIR": str(directory / "conf"),
            # Spark's scripts would set it for the executors, which find no jars without it.
            "SPARK_SCALA_VERSION": "2.13",
        }

    def flow_environment(self, directory: Path, master: str) -> dict[str, str]:
        """The environment by which a flow finds its cluster.

        The Spark runtime block reads STRANDLINE_SPARK_MASTER and the secret. A session that is
        opened with plain PySpark reads the same from a file that PYSPARK_SUBMIT_ARGS names: a
        secret must not be part of a command line.
        """
        properties = {
            "spark.master": master,
            "spark.authenticate": "true",
            "spark.authenticate.secret": self.secret,
            "spark.driver.host": HOST,
            "spark.driver.bindAddress": HOST,
        }
        file = directory / "conf" / "flow.conf"
        write_private(file, "".join(f"{name} {text}\n" for name, text in properties.items()))
        return {
            **self._common(directory),
            "STRANDLINE_SPARK_MASTER": master,
            "PYSPARK_SUBMIT_ARGS": f"--properties-file '{file}' pyspark-shell",
            # Executors as large as their workers, where the flow sets nothing else.
            "SPARK_EXECUTOR_MEMORY": self.memory,
            "SPARK_SUBMIT_OPTS": f'-Djava.io.tmpdir="{directory / "tmp"}" -XX:-UsePerfData',
        }

    def _java(self, directory: Path) -> list[str]:
        return [
            str(Path(self.java_home) / "bin" / "java"),
            *("-cp", f"{directory / 'conf'}{os.pathsep}{_spark_home() / 'jars' / '*'}"),
            *_JVM_OPTIONS,
            *(f"-D{text}" for text in _PROPERTIES),
            f"-Djava.io.tmpdir={directory / 'tmp'}",
        ]

    def _common(self, directory: Path) -> dict[str, str]:
        return {
            MARK: directory.name,
            "JAVA_HOME": self.java_home,
            "SPARK_LOCAL_IP": HOST,
            "SPARK_PUBLIC_DNS": HOST,
            "SPARK_LOCAL_DIRS": str(directory / "local"),
            "TMPDIR": str(directory / "tmp"),
            "PYSPARK_PYTHON": os.environ.get("PYSPARK_PYTHON", sys.executable),
            "_SPARK_AUTH_SECRET": self.secret,
        }


def master_url(log: Path) -> str | None:
    """The address of the master that writes this log, once it has one."""
    match = _MASTER.search(_text(log))
    return match.group(1) if match else None


def registered(log: Path) -> bool:
    """Whether the worker that writes this log is part of its cluster."""
    return _REGISTERED in _text(log)


def _text(log: Path) -> str:
    try:
        return log.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return ""


def _spark_home() -> Path:
    # Importing PySpark would take a second; only its files are wanted.
    spec = find_spec("pyspark")
    if spec is None or spec.origin is None:
        message = "PySpark is not installed"
        raise ModuleNotFoundError(message)
    return Path(spec.origin).parent
