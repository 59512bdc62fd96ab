"""A way to a server that can be cut: both ends then see a connection that was reset."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_RESET = struct.pack("ii", 1, 0)  # SO_LINGER of no time: closing sends RST, not FIN


class ResettingProxy:
    """Passes on what arrives at `port` to `target`, another port of this machine."""

    def __init__(self, target: int) -> None:
        self.target = target
        self._server = socket.create_server(("127.0.0.1", 0))
        self._lines: list[socket.socket] = []
        self.port: int = self._server.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """Reset every connection that there is."""
        lines, self._lines = self._lines, []
        for each in lines:
            with contextlib.suppress(OSError):
                each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                each.shutdown(socket.SHUT_RD)
                each.close()

    def close(self) -> None:
        """Accept nobody any more, and reset the rest."""
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self.cut()

    def _accept(self) -> None:
        while True:
            try:
                line, _ = self._server.accept()
            except OSError:
                return
            try:
                onward = socket.create_connection(("127.0.0.1", self.target))
            except OSError:  # nobody listens there now
                line.close()
                continue
            self._lines += [line, onward]
            for one, other in ((line, onward), (onward, line)):
                threading.Thread(target=_pass_on, args=(one, other), daemon=True).start()


def _pass_on(one: socket.socket, other: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := one.recv(65_536):
            other.sendall(data)
    with contextlib.suppress(OSError):
        other.shutdown(socket.SHUT_WR)


@contextmanager
def resetting_proxy(target: int) -> Iterator[ResettingProxy]:
    """A proxy for a while."""
    proxy = ResettingProxy(target)
    yield proxy
    proxy.close()
