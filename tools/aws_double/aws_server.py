"""moto's server behind a gate that keeps each call, and refuses what AWS would refuse.

moto lets everybody do everything, in every region, and takes each change of a Glue table. The gate
knows the policies of access keys, expired ones, the region of each bucket, and Glue's versions; and
it makes faults on request. What it refuses looks as AWS's own answer does.
"""

from __future__ import annotations

import io
import json
import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any
from wsgiref.types import StartResponse

from moto.backends import get_backend
from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    MotoRequestHandler,
    create_backend_app,
)
from werkzeug.serving import make_server

from tools.aws_double.access_policies import Policy
from tools.aws_double.aws_requests import ACCOUNT, Call, Right, call_of, needs_body

__all__ = ["AwsServer", "Fault", "Kept", "aws_server"]

Before = Callable[[Call], None]
"""Called before a call is answered, outside of every lock."""


@dataclass(slots=True)
class Fault:
    """What happens to calls instead of their answer.

    Attributes:
        matches: To which calls.
        code: The error's code; empty: the answer comes, after `seconds`.
        status: The HTTP status.
        times: To how many calls, then no more.
        seconds: How long it takes first.
        done: The call is carried out all the same: only its answer is lost.
    """

    matches: Callable[[Call], bool]
    code: str = ""
    status: int = 400
    times: float = float("inf")
    seconds: float = 0.0
    done: bool = False
    happened: int = 0


@dataclass(frozen=True, slots=True)
class Kept:
    """A call and its answer.

    Attributes:
        call: The call.
        status: The HTTP status.
        step: What was being done, as whoever measures says.
        refusal: The code of the gate's own refusal or fault; empty where moto answered.
    """

    call: Call
    status: int
    step: str
    refusal: str = ""


@dataclass
class AwsServer:
    """The gate's rules, and what went through it.

    Attributes:
        url: Where it listens.
        policies: By access key; a key without one may do everything.
        expired: Access keys whose time is over.
        regions: The region of each bucket that has one; requests signed for another are refused.
        faults: What fails; the first that matches.
        before: Called before an answer, as another program would act in between.
        step: What is being done now.
    """

    url: str = ""
    policies: dict[str, Policy] = field(default_factory=dict)
    expired: set[str] = field(default_factory=set)
    regions: dict[str, str] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    before: Before | None = None
    step: str = ""
    calls: list[Kept] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Make moto's application and the locks."""
        self._moto = DomainDispatcherApplication(create_backend_app)
        self._lock, self._updates = threading.Lock(), threading.Lock()

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request (WSGI)."""
        body = b""
        if needs_body(environ):
            body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            environ["wsgi.input"] = io.BytesIO(body)
        call = call_of(environ, body)
        if self.before is not None:
            self.before(call)
        error = self._refusal(call)
        fault = None if error is not None else self._fault(call)
        if fault is not None and fault.code and not fault.done:
            error = (fault.code, fault.status, "Please try again.")
        if error is not None:
            return self._refuse(call, *error, environ, start_response)
        # Between a look at the version and the change of a table nobody else may change it.
        with self._updates if call.name == "glue:UpdateTable" else self._no_lock():
            if self._is_stale(call):
                error = ("ConcurrentModificationException", 400, "Update table failed")
                return self._refuse(call, *error, environ, start_response)
            answer = self._forward(
                call, environ, start_response, silent=fault is not None and fault.done
            )
        if fault is not None and fault.done:
            return self._refuse(call, fault.code, fault.status, "Lost.", environ, start_response)
        return answer

    def since(self, mark: int) -> list[Kept]:
        """The calls from the `mark`-th on."""
        with self._lock:
            return self.calls[mark:]

    def mark(self) -> int:
        """How many calls there were."""
        with self._lock:
            return len(self.calls)

    def rights_of(self, key_id: str) -> list[Right]:
        """What the calls of an access key needed that were answered."""
        with self._lock:
            return [
                right
                for each in self.calls
                if each.call.key_id == key_id and each.status < 500  # noqa: PLR2004
                for right in each.call.rights
            ]

    def count(self, mark: int = 0) -> Counter[str]:
        """Calls by name, from the `mark`-th on."""
        return Counter(each.call.name for each in self.since(mark))

    @contextmanager
    def failing(self, fault: Fault) -> Iterator[Fault]:
        """With that fault, for a while."""
        self.faults.append(fault)
        try:
            yield fault
        finally:
            self.faults.remove(fault)

    def _refusal(self, call: Call) -> tuple[str, int, str] | None:
        if call.key_id in self.expired:
            code = "ExpiredToken" if call.service == "s3" else "ExpiredTokenException"
            return code, 400, "The provided token has expired."
        home = self.regions.get(call.bucket)
        if home is not None and call.region != home:
            return "PermanentRedirect", 301, "The bucket must be addressed at another endpoint."
        policy = self.policies.get(call.key_id)
        refused = None if policy is None else policy.refused(call.rights)
        if refused is not None:
            code, status = _DENIED.get(call.service, ("AccessDeniedException", 400))
            user = f"arn:aws:iam::{ACCOUNT}:user/{policy.name if policy else ''}"
            return (
                code,
                status,
                (
                    f"User: {user} is not authorized to perform: {refused.action} on resource: "
                    f"{refused.resource} because no identity-based policy allows it"
                ),
            )
        return None

    def _fault(self, call: Call) -> Fault | None:
        with self._lock:
            matching = (f for f in self.faults if f.happened < f.times and f.matches(call))
            if (fault := next(matching, None)) is None:
                return None
            fault.happened += 1
        time.sleep(fault.seconds)
        return fault

    def _is_stale(self, call: Call) -> bool:
        """Whether a Glue table has changed since the version that the change was made from."""
        if call.name != "glue:UpdateTable" or "VersionId" not in call.body:
            return False
        database, _, name = call.table.partition(".")
        tables = get_backend("glue")[ACCOUNT][call.region].databases[database].tables
        return name in tables and str(tables[name]._current_version) != call.body["VersionId"]  # noqa: SLF001 - moto has no other way

    def _forward(
        self,
        call: Call,
        environ: dict[str, Any],
        start_response: StartResponse,
        *,
        silent: bool,
    ) -> Iterable[bytes]:
        """What moto answers; `silent`: the client is not told."""
        told: list[tuple[str, list[tuple[str, str]]]] = []

        def keep(status: str, headers: list[tuple[str, str]], *_: object) -> Callable[..., object]:
            told.append((status, headers))
            return lambda _data: None

        answer: Iterable[bytes] = self._moto(environ, keep)
        status, headers = told[0]
        number = int(status.split()[0])
        if number == 404 and self._hides_missing(call):  # noqa: PLR2004 - not found
            return self._refuse(call, "AccessDenied", 403, "Access Denied", environ, start_response)
        if number == 404 and call.operation in _MISSES:  # noqa: PLR2004
            # Who may list the bucket is told so; to others it would have been denied.
            call = replace(call, rights=(*call.rights, _listing(call)))
        if silent:
            return [b"".join(answer)[:0]]
        self._keep(call, number)
        start_response(status, headers)
        return answer

    def _hides_missing(self, call: Call) -> bool:
        """Whether S3 says "denied" of an object that is not there: only who may list is told."""
        policy = self.policies.get(call.key_id)
        if policy is None or call.operation not in _MISSES:
            return False
        return policy.refused([_listing(call)]) is not None

    def _refuse(
        self,
        call: Call,
        code: str,
        status: int,
        message: str,
        environ: Mapping[str, Any],
        start_response: StartResponse,
    ) -> Iterable[bytes]:
        self._keep(call, status, code)
        environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        headers = [("x-amzn-RequestId", "0"), ("x-amz-request-id", "0"), ("Connection", "close")]
        if call.service == "s3":
            kind = "application/xml"
            text = (
                '<?xml version="1.0" encoding="UTF-8"?>'
                f"<Error><Code>{code}</Code><Message>{message}</Message>"
                f"<Resource>/{call.bucket}/{call.key}</Resource><RequestId>0</RequestId></Error>"
            )
            home = self.regions.get(call.bucket)
            headers += [] if home is None else [("x-amz-bucket-region", home)]
        else:
            kind, text = (
                "application/x-amz-json-1.1",
                json.dumps({"__type": code, "message": message}),
            )
            headers.append(("x-amzn-ErrorType", code))
        body = b"" if environ["REQUEST_METHOD"] == "HEAD" else text.encode()
        start_response(
            f"{status} {code}",
            [*headers, ("Content-Type", kind), ("Content-Length", str(len(body)))],
        )
        return [body]

    def _keep(self, call: Call, status: int, refusal: str = "") -> None:
        with self._lock:
            self.calls.append(Kept(call, status, self.step, refusal))

    @staticmethod
    @contextmanager
    def _no_lock() -> Iterator[None]:
        yield


_MISSES = frozenset({"GetObject", "HeadObject"})


def _listing(call: Call) -> Right:
    return Right("s3:ListBucket", f"arn:aws:s3:::{call.bucket}")


_DENIED = {"s3": ("AccessDenied", 403), "emr-serverless": ("AccessDeniedException", 403)}


@contextmanager
def aws_server() -> Iterator[AwsServer]:
    """A server on a free port of the loopback, until the end of the body.

    moto's services are one per process: what another server of it has made is there too.
    """
    gate = AwsServer()
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = make_server("127.0.0.1", 0, gate, threaded=True, request_handler=MotoRequestHandler)
    gate.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield gate
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
