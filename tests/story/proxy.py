"""A TCP proxy in front of a real S3 server that breaks requests on purpose.

It looks only at the first line of each request; a connection that was broken is never used again.
"""

from __future__ import annotations

import contextlib
import re
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Literal

__all__ = ["Fault", "S3Proxy", "serving"]

Fault = Literal["pass", "busy", "reset", "hang", "lie"]
"""``busy`` answers 503, ``reset`` cuts before the server saw anything, ``hang`` never answers,
``lie`` lets the server do it and cuts before its answer arrives."""

_REQUEST = re.compile(rb"(GET|HEAD|PUT|POST|DELETE) (\S+) HTTP/1\.1\r\n")
_BUSY = b"HTTP/1.1 503 Slow Down\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


@dataclass
class S3Proxy:
    """choose says what becomes of a request, from its method and its number among those of its
    method; faults counts what was broken, latest is the request that is being chosen for."""

    upstream: tuple[str, int]
    port: int
    choose: Callable[[str, int], Fault] = lambda _method, _number: "pass"
    faults: dict[str, int] = field(default_factory=dict)
    latest: str = ""
    _seen: dict[str, int] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _open: list[socket.socket] = field(default_factory=list)

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def seen(self, method: str) -> int:
        """How many requests of a method came so far."""
        return self._seen.get(method, 0)

    def accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            self._open.append(client)
            threading.Thread(target=self._relay, args=(client,), daemon=True).start()

    def close(self) -> None:
        for connection in self._open:
            connection.close()

    def _relay(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError), socket.create_connection(self.upstream) as server:
            lying = threading.Event()
            back = threading.Thread(
                target=self._relay_back, args=(server, client, lying), daemon=True
            )
            back.start()
            while data := client.recv(1 << 16):
                if not self._forward(data, client, server, lying):
                    break
        client.close()

    def _forward(
        self, data: bytes, client: socket.socket, server: socket.socket, lying: threading.Event
    ) -> bool:
        """Pass a piece on; False where the connection has ended."""
        fault = self._fault(data)
        if fault == "busy":
            client.sendall(_BUSY)
            return False
        if fault == "reset":
            _cut(client)
            return False
        if fault == "hang":
            while client.recv(1 << 16):
                pass
            return False
        if fault == "lie":
            lying.set()
        server.sendall(data)
        return True

    def _fault(self, data: bytes) -> Fault:
        request = _REQUEST.match(data)
        if request is None:
            return "pass"
        method = request[1].decode()
        with self._lock:
            self._seen[method] = self._seen.get(method, 0) + 1
            self.latest = f"{method} {request[2].decode()}"
            fault = self.choose(method, self._seen[method])
            if fault != "pass":
                self.faults[fault] = self.faults.get(fault, 0) + 1
        return fault

    @staticmethod
    def _relay_back(server: socket.socket, client: socket.socket, lying: threading.Event) -> None:
        with contextlib.suppress(OSError):
            while data := server.recv(1 << 16):
                if lying.is_set() and not data.startswith(b"HTTP/1.1 100"):
                    _cut(client)
                    return
                client.sendall(data)
            client.shutdown(socket.SHUT_WR)


def _cut(connection: socket.socket) -> None:
    """Close with a reset."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RD)
    connection.close()


@contextlib.contextmanager
def serving(host: str, port: int) -> Iterator[S3Proxy]:
    """A proxy on loopback, as long as the context lasts."""
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listener:
        proxy = S3Proxy((host, port), listener.getsockname()[1])
        thread = threading.Thread(target=proxy.accept, args=(listener,), daemon=True)
        thread.start()
        try:
            yield proxy
        finally:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            proxy.close()
            thread.join(5)
