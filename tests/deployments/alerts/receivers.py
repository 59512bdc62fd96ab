"""Receivers of alerts: an HTTP server and an SMTP server that keep what they get."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True)
class Delivery:
    """One message as it came in; `at` is in seconds of the epoch."""

    channel: str
    at: float
    subject: str
    body: str
    raw: dict[str, object] = field(default_factory=dict)


@dataclass
class Inbox:
    """Everything that arrived, in the order of arrival."""

    deliveries: list[Delivery] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def put(self, delivery: Delivery) -> None:
        with self._lock:
            self.deliveries.append(delivery)

    def wait(self, enough: Callable[[list[Delivery]], bool], seconds: float) -> None:
        """Return when the deliveries are enough, or when the time is up."""
        deadline = time.monotonic() + seconds
        while not enough(list(self.deliveries)) and time.monotonic() < deadline:
            time.sleep(0.1)


@contextmanager
def http_receiver(inbox: Inbox) -> Iterator[str]:
    """Takes JSON by POST: the path's first part is the channel; yields the address."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            channel = self.path.strip("/").split("/")[0]
            subject, text = read_json(channel, body)
            raw = dict(self.headers) | {"json": body}
            inbox.put(Delivery(channel, time.time(), subject, text, raw))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def read_json(channel: str, body: dict) -> tuple[str, str]:
    """Subject and text of a message, as each service has them."""
    if channel == "slack":
        subject, _, text = body["text"].partition("\n")
        return subject.strip("*"), text
    if channel == "pager" and body["event_action"] == "resolve":
        return "an incident is resolved", body["dedup_key"]
    if channel == "pager":
        return body["payload"]["summary"], body["payload"]["custom_details"]["message"]
    return body["subject"], body["message"]


@contextmanager
def smtp_receiver(inbox: Inbox) -> Iterator[int]:
    """Takes mail by SMTP, without encryption and login; yields the port."""
    loop = asyncio.new_event_loop()
    server = loop.run_until_complete(
        asyncio.start_server(lambda r, w: _converse(inbox, r, w), "127.0.0.1", 0)
    )
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    yield server.sockets[0].getsockname()[1]
    loop.call_soon_threadsafe(server.close)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


async def _converse(
    inbox: Inbox, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """Serve the part of RFC 5321 that a client needs to send one message after the other."""

    async def say(line: str) -> None:
        writer.write(f"{line}\r\n".encode())
        await writer.drain()

    await say("220 receiver.test ESMTP")
    while line := await reader.readline():
        verb = line.split(None, 1)[0].upper() if line.strip() else b""
        if verb == b"DATA":
            await say("354 go on")
            text = b""
            while (part := await reader.readline()) not in (b".\r\n", b""):
                text += part.removeprefix(b".")
            mail = message_from_bytes(text, policy=policy.default)
            body = mail.get_body(("plain",))
            raw = {"to": str(mail["To"]), "from": str(mail["From"])}
            text = body.get_content() if body else ""
            inbox.put(Delivery("mail", time.time(), str(mail["Subject"]), text, raw))
            await say("250 taken")
        elif verb == b"QUIT":
            await say("221 bye")
            break
        else:
            await say("250 receiver.test")
    writer.close()
