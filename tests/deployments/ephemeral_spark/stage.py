"""A real Prefect server and real workers for the tests of the ephemeral Spark work pool.

Every process that a worker starts carries a mark of this module in its environment, which is not
the product's own: so leftovers are found also where the product does not search.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psutil
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import FlowRun

ROOT = Path(__file__).parents[3]
MARK = "STRANDLINE_TEST_STAGE"
POOL = "ephemeral"
SECONDS_TO_START = 300.0


def wait_for(what: str, check: Callable[[], object], seconds: float = SECONDS_TO_START) -> object:
    """What `check` returns once it is true."""
    deadline = time.monotonic() + seconds
    while not (result := check()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {seconds:.0f} s in vain for {what}")
        time.sleep(0.02)
    return result


@dataclass
class Stage:
    """One server with one work pool; workers come and go."""

    folder: Path
    port: int
    variables: dict[str, object] = field(default_factory=dict)
    additional: dict[str, str] = field(default_factory=dict)
    """Environment of workers in addition to what they need."""
    mark: str = field(default_factory=lambda: uuid.uuid4().hex)
    worker: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/api"

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def temporary(self) -> Path:
        """The default folder of temporary files of every process that a worker starts."""
        return self.folder / "tmp"

    def environment(self) -> dict[str, str]:
        inherited = {
            name: text for name, text in os.environ.items() if not name.startswith("PREFECT")
        }
        return {
            **inherited,
            "PREFECT_HOME": str(self.home),
            "PREFECT_PROFILES_PATH": os.devnull,
            "PREFECT_API_URL": self.url,
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "PREFECT_SERVER_LOGGING_LEVEL": "WARNING",
            "PREFECT_WORKER_QUERY_SECONDS": "1",
            "PREFECT_CLI_PROMPT": "false",
            "TMPDIR": str(self.temporary),
        }

    def prefect(self, *arguments: str) -> str:
        """Run a command of Prefect's."""
        result = subprocess.run(
            [sys.executable, "-m", "prefect", *arguments],
            cwd=ROOT,
            env=self.environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        assert result.returncode == 0, result.stdout + result.stderr
        return result.stdout

    def client(self) -> SyncPrefectClient:
        return SyncPrefectClient(self.url)

    def start_worker(self) -> None:
        """Start a worker of the pool, if none runs."""
        if self.worker is not None and self.worker.poll() is None:
            return
        log = self.folder / "worker.log"
        begin = log.stat().st_size if log.exists() else 0
        with log.open("ab") as output:
            self.worker = subprocess.Popen(
                [
                    *(sys.executable, "-m", "prefect", "worker", "start"),
                    *("--pool", POOL, "--name", "tested", "--type", "ephemeral-spark"),
                ],
                cwd=ROOT,
                env={**self.environment(), **self.additional, MARK: self.mark},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        wait_for("the worker", lambda: b" started!" in log.read_bytes()[begin:])

    def stop_worker(self) -> None:
        if self.worker is not None and self.worker.poll() is None:
            self.worker.terminate()
            self.worker.wait(30)

    def clear(self) -> None:
        """End everything, the worker too."""
        if self.worker is not None:
            self.worker.kill()
            self.worker.wait()
        for process in self.processes():
            with contextlib.suppress(psutil.Error):
                process.kill()
        for path in (self.home / "ephemeral-spark").iterdir():
            shutil.rmtree(path, ignore_errors=True)

    def deploy(self, file: str, function: str, **variables: object) -> str:
        """Deploy a flow of a file of this directory to the pool; the deployment's id."""
        with self.client() as client:
            flow = client.create_flow_from_name(function.replace("_", "-"))
            deployment = client.create_deployment(
                flow_id=flow,
                name="tested",
                work_pool_name=POOL,
                entrypoint=f"tests/deployments/ephemeral_spark/{file}:{function}",
                pull_steps=[
                    {"prefect.deployments.steps.set_working_directory": {"directory": str(ROOT)}}
                ],
                job_variables={**self.variables, **variables},
                enforce_parameter_schema=False,
            )
        return str(deployment)

    def begin(self, deployment: str, **parameters: object) -> FlowRun:
        with self.client() as client:
            return client.create_flow_run_from_deployment(
                uuid.UUID(deployment), parameters=parameters
            )

    def look(self, run: FlowRun) -> FlowRun:
        with self.client() as client:
            return client.read_flow_run(run.id)

    def end_of(self, run: FlowRun, seconds: float = SECONDS_TO_START) -> str:
        """The name of the state in which a run ends."""

        def final() -> str | None:
            state = self.look(run).state
            return state.name if state is not None and state.is_final() else None

        return str(wait_for("the end of the run", final, seconds))

    def log_of(self, run: FlowRun) -> str:
        """The log that a run's page shows."""
        answer = httpx.post(
            f"{self.url}/logs/filter",
            json={"logs": {"flow_run_id": {"any_": [str(run.id)]}}, "limit": 200},
        )
        return "\n".join(line["message"] for line in answer.json())

    def worker_log(self) -> str:
        """The end of the workers' log."""
        return (self.folder / "worker.log").read_text(encoding="utf-8", errors="replace")[-8000:]

    def processes(self) -> list[psutil.Process]:
        """Every process that workers started and that still runs, except the worker itself."""
        processes = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if (
                    process.environ().get(MARK) == self.mark
                    and process.status() != psutil.STATUS_ZOMBIE
                    and (self.worker is None or process.pid != self.worker.pid)
                ):
                    processes.append(process)
        return processes

    def process(self, sign: str) -> psutil.Process | None:
        """The one whose command line has this sign."""
        for process in self.processes():
            with contextlib.suppress(psutil.Error):
                if any(sign in word for word in process.cmdline()):
                    return process
        return None

    def ports(self) -> set[int]:
        """The ports on which the started processes listen."""
        ports = set()
        for process in self.processes():
            with contextlib.suppress(psutil.Error):
                ports |= {
                    connection.laddr.port
                    for connection in process.net_connections("tcp")
                    if connection.status == psutil.CONN_LISTEN
                }
        return ports

    def files(self) -> list[str]:
        """The files of clusters and workers, except a live worker's own folder."""
        bases = (self.home / "ephemeral-spark", self.home / "ephemeral-spark-workers")
        paths = [path for base in bases if base.is_dir() for path in base.iterdir()]
        live = f"{self.worker.pid}-" if self.worker and self.worker.poll() is None else None
        remaining = []
        for path in paths:
            if live is not None and path.name.startswith(live):
                remaining += (inner for inner in path.iterdir() if inner.name != "runner_storage")
            else:
                remaining.append(path)
        return [path.name for path in (*remaining, *self.temporary.iterdir())]


def listening(ports: set[int]) -> set[int]:
    """Which of these ports still take connections."""
    return {port for port in ports if _answers(port)}


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextlib.contextmanager
def stage(**variables: object) -> Iterator[Stage]:
    """A server with the work pool; both end afterwards."""
    with tempfile.TemporaryDirectory(prefix="strandline-stage-") as name:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        pool = Stage(Path(name), port, dict(variables))
        pool.home.mkdir()
        pool.temporary.mkdir()
        with (pool.folder / "server.log").open("wb") as log:
            server = subprocess.Popen(
                [
                    *(sys.executable, "-m", "prefect", "server", "start", "--no-ui"),
                    *("--host", "127.0.0.1", "--port", str(port)),
                ],
                cwd=pool.folder,
                env=pool.environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        try:
            wait_for("the server", lambda: _healthy(pool.url))
            pool.prefect("work-pool", "create", POOL, "--type", "ephemeral-spark")
            yield pool
        finally:
            pool.stop_worker()
            for process in pool.processes():
                process.kill()
            server.terminate()
            server.wait(30)


def _healthy(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health").status_code == httpx.codes.OK
    except httpx.HTTPError:
        return False
