"""A service that takes the few calls of EMR Serverless and misbehaves on request.

moto knows the same calls, but its job runs never fail, hang or are throttled, and run nothing.
Here a job run can be a real spark-submit on this machine.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pyspark

from deployments.ephemeral_spark.clusters.cluster_processes import MARK, end_members

_DRIVER_ENVIRONMENT = "spark.emr-serverless.driverEnv."


@dataclass
class Job:
    """One job run: each look returns its next state, unless it is a real process."""

    request: dict
    states: list[str]
    details: str = ""
    process: subprocess.Popen[bytes] | None = None
    cancelled: bool = False

    def look(self) -> str:
        if self.process is not None:
            if self.process.poll() is None:
                return "RUNNING"
            if self.cancelled:
                return "CANCELLED"
            return "FAILED" if self.process.returncode else "SUCCESS"
        if self.cancelled:
            return "CANCELLED"
        return self.states.pop(0) if len(self.states) > 1 else self.states[0]

    def cancel(self) -> None:
        self.cancelled = True
        if self.process is not None:
            end_members(self.request["clientToken"])


@dataclass
class Service:
    """What the service does, and the calls that it received.

    `faults` happen in turn before calls are answered: throttle, break, hang (for two seconds), lose
    (do it and close the connection).
    """

    states: tuple[str, ...] = ("SUBMITTED", "RUNNING", "SUCCESS")
    details: str = ""
    faults: list[str] = field(default_factory=list)
    submit: Path | None = None
    jobs: dict[str, Job] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    url: str = ""

    def start(self, request: dict) -> str:
        for run, job in self.jobs.items():
            if job.request["clientToken"] == request["clientToken"]:
                return run
        run = f"run{len(self.jobs) + 1}"
        job = Job(request, list(self.states), self.details)
        if self.submit is not None:
            job.process = _submitted(request, self.submit)
        self.jobs[run] = job
        return run


def _submitted(request: dict, folder: Path) -> subprocess.Popen[bytes]:
    """The job run's spark-submit, with the driver's environment and the paths of this process's."""
    (configuration,) = request["configurationOverrides"]["applicationConfiguration"]
    properties = configuration["properties"]
    environment = {
        name.removeprefix(_DRIVER_ENVIRONMENT): text
        for name, text in properties.items()
        if name.startswith(_DRIVER_ENVIRONMENT)
    }
    kept = ("PATH", "JAVA_HOME", "HOME", "PYTHONPATH")
    options = [
        f"{name}={text}"
        for name, text in properties.items()
        if not name.startswith("spark.emr-serverless.")
    ]
    environment |= {name: os.environ[name] for name in kept if name in os.environ}
    spark = Path(pyspark.__file__).parent
    driver = request["jobDriver"]["sparkSubmit"]
    with (folder / "job.log").open("ab") as log:
        return subprocess.Popen(
            [
                *(str(spark / "bin" / "spark-submit"), "--master", "local[1]"),
                *("--conf", "spark.ui.enabled=false", "--conf", "spark.driver.host=127.0.0.1"),
                *("--conf", "spark.driver.bindAddress=127.0.0.1"),
                *(word for text in options for word in ("--conf", text)),
                *(driver["entryPoint"], *driver["entryPointArguments"]),
            ],
            env={
                **environment,
                "PYSPARK_PYTHON": sys.executable,
                "SPARK_LOCAL_IP": "127.0.0.1",
                MARK: request["clientToken"],  # finds all that is started, as a container would
            },
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


class _Calls(BaseHTTPRequestHandler):
    service: Service

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        request = json.loads(self.rfile.read(length))
        if self._misbehaves("start"):
            return
        run = self.service.start(request)
        if self._loses():
            return
        self._answer({"applicationId": "app", "jobRunId": run, "arn": "arn:aws:emr-serverless"})

    def do_GET(self) -> None:
        *_, last = self.path.partition("?")[0].split("/")
        kind = {"jobruns": "list", "dashboard": "page"}.get(last, "look")
        if self._misbehaves(kind):
            return
        if kind == "list":
            jobs = [
                {"id": run, "name": job.request["name"], "state": job.look()}
                for run, job in self.service.jobs.items()
            ]
            self._answer({"jobRuns": jobs})
        elif kind == "page":
            self._answer({"url": "https://example.invalid/spark"})
        elif last in self.service.jobs:
            job = self.service.jobs[last]
            self._answer({"jobRun": {"state": job.look(), "stateDetails": job.details}})
        else:
            self._refuse(404, "ResourceNotFoundException")

    def do_DELETE(self) -> None:
        if self._misbehaves("cancel"):
            return
        run = self.path.partition("?")[0].rsplit("/", 1)[-1]
        job = self.service.jobs.get(run)
        if job is None:
            self._refuse(404, "ResourceNotFoundException")
        elif job.cancelled:
            self._refuse(400, "ValidationException")
        else:
            job.cancel()
            self._answer({"applicationId": "app", "jobRunId": run})

    def log_message(self, *_: object) -> None:
        """Print nothing on the terminal."""

    def _misbehaves(self, call: str) -> bool:
        self.service.calls.append(call)
        fault = self.service.faults[0] if self.service.faults else ""
        if fault in ("", "lose"):
            return False
        self.service.faults.pop(0)
        if fault == "hang":
            time.sleep(2)
        elif fault == "throttle":
            self._refuse(429, "ThrottlingException")
        else:
            self._refuse(500, "InternalServerException")
        return True

    def _loses(self) -> bool:
        if self.service.faults[:1] == ["lose"]:
            self.service.faults.pop(0)
            self.close_connection = True
            return True
        return False

    def _answer(self, answer: dict, status: int = 200, **headers: str) -> None:
        body = json.dumps(answer).encode()
        with suppress(BrokenPipeError, ConnectionResetError):
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            for name, text in headers.items():
                self.send_header(name.replace("_", "-"), text)
            self.end_headers()
            self.wfile.write(body)

    def _refuse(self, status: int, code: str) -> None:
        self._answer({"message": "as it was told"}, status, x_amzn_ErrorType=code)


@contextmanager
def emr(service: Service) -> Iterator[Service]:
    """The service at an address of its own; it and all its jobs end afterwards."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Calls", (_Calls,), {"service": service}))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    service.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield service
    finally:
        server.shutdown()
        server.server_close()
        for job in service.jobs.values():
            job.cancel()
