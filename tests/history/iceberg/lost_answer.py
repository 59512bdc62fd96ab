"""A way to PostgreSQL on which one answer is lost: that to a statement which was carried out."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

_PIECE = 65_536


@dataclass
class Way:
    """Between a client and the server's port; everything is passed on until `losing` is set.

    The first answer to a statement that has `losing` in it is lost, together with its connection;
    where the way `stays_down`, with all connections until `down` is unset.
    """

    server: int
    port: int = 0
    losing: bytes | None = None
    stays_down: bool = False
    lost: int = 0
    down: bool = False
    _open: set[socket.socket] = field(default_factory=set)

    def carry(self, client: socket.socket) -> None:
        if self.down:
            client.close()
            return
        server = socket.create_connection(("127.0.0.1", self.server))
        ends = (client, server)
        self._open.update(ends)
        asked = threading.Event()
        threads = [
            threading.Thread(target=self._pass, args=(client, server, asked, True), daemon=True),
            threading.Thread(target=self._pass, args=(server, client, asked, False), daemon=True),
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for end in ends:
            self._open.discard(end)
            end.close()

    def _pass(
        self, source: socket.socket, sink: socket.socket, asked: threading.Event, to_server: bool
    ) -> None:
        with suppress(OSError):
            while piece := source.recv(_PIECE):
                if to_server and self.losing is not None and self.losing in piece:
                    asked.set()
                elif not to_server and asked.is_set() and b"UPDATE 1" in piece:
                    self.lost += 1
                    self.losing = None
                    self.down = self.stays_down
                    if self.down:
                        self.close()
                    break
                sink.sendall(piece)
        for end in (source, sink):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        for end in list(self._open):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


@contextmanager
def way_to(server: int) -> Iterator[Way]:
    """A way to the server's port on this machine, with a port of its own."""
    way = Way(server)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        way.port = listening.getsockname()[1]

        def accept() -> None:
            with suppress(OSError):
                while True:
                    client, _ = listening.accept()
                    threading.Thread(target=way.carry, args=(client,), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        try:
            yield way
        finally:
            with suppress(OSError):
                listening.shutdown(socket.SHUT_RDWR)
            way.close()
