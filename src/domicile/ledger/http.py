"""A log's files from a web server, which may be hostile: every answer is bounded in size and time.

Only names of a log's files are asked for, below one URL; no redirect is followed; nothing is sent
but the request. What comes back is as untrusted as any other copy of a log.
"""

from __future__ import annotations

import io
import os
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from threading import local
from typing import NoReturn
from urllib.parse import SplitResult, urlsplit

from domicile.errors import SiteError, SiteRefused, SiteUnreachable, UsageError
from domicile.ledger.sources import unreadable
from domicile.ledger.tiles import Tile

__all__ = ["HttpSource"]

_ATTEMPTS = 3
_PAUSE_S = 0.3
_FILE_S = 60.0  # for one whole answer, however slowly it drips
_CHUNK_BYTES = 1 << 18
_ABSENT = frozenset({401, 403, 404, 410})  # stores without a listing say 403 of what is not there
_held = local()


@dataclass(frozen=True, slots=True)
class HttpSource:
    """A log below a URL ``http(s)://host[:port]/path``. timeout_s is the longest silence, seconds;
    a whole file may take a minute."""

    url: str
    timeout_s: float = 20.0
    file_s: float = _FILE_S

    def __post_init__(self) -> None:
        """Raises UsageError where this can be no log's URL."""
        parts = _split(self.url)
        bare = not (parts.username or parts.password or parts.query or parts.fragment)
        plain = self.url.isascii() and self.url.isprintable() and " " not in self.url
        if parts.scheme not in {"http", "https"} or not parts.hostname or not bare or not plain:
            raise _no_url(self.url)

    @property
    def place(self) -> str:
        """The URL."""
        return self.url

    def read(self, name: str, limit_bytes: int) -> bytes | None:
        """See `Source.read`. Raises SiteUnreachable where no whole answer comes, SiteRefused where
        the server answers with anything but a file."""
        deadline = time.monotonic() + self.file_s
        for attempt in range(_ATTEMPTS):
            try:
                return self._once(name, limit_bytes, deadline)
            except (HTTPException, OSError, SiteUnreachable) as error:
                self._forget()
                if attempt == _ATTEMPTS - 1 or time.monotonic() > deadline:
                    raise self._unreachable(name, error) from error
            except BaseException:
                self._forget()
                raise
            time.sleep(_PAUSE_S * attempt)
        raise AssertionError("unreachable: the last attempt returns or raises")

    def tiles(self) -> Iterator[Tile] | None:
        """Nobody can tell: the web has no listings."""
        return None

    def _once(self, name: str, limit_bytes: int, deadline: float) -> bytes | None:
        connection = self._connection()
        path = f"{_split(self.url).path.rstrip('/')}/{name}"
        connection.request("GET", path, headers={"Accept-Encoding": "identity"})
        connection.response_class = _bounded(deadline, self.timeout_s)
        response = connection.getresponse()
        if response.status != 200:
            response.read(_CHUNK_BYTES)
            self._forget()
            self._require_absent(name, response.status)
            return None
        data = bytearray()
        while chunk := response.read1(_CHUNK_BYTES):
            data += chunk
            if len(data) > limit_bytes:
                raise unreadable(f"{name} has more than {limit_bytes:,} bytes")
        if response.length:  # announced, and never sent
            raise SiteUnreachable(f"{name} broke off")
        response.close()  # so that the connection takes the next request
        return bytes(data)

    def _require_absent(self, name: str, status: int) -> None:
        if status in _ABSENT:
            return
        if status == 429 or status >= 500:
            raise SiteUnreachable(f"the server answered {status}")
        what = "a redirect, which is not followed" if 300 <= status < 400 else f"status {status}"
        raise SiteRefused(
            f"{self.url} answered the request for {name} with {what}",
            expected="a log's files as they are",
            next_step="give the URL at which the files themselves lie",
        )

    def _connection(self) -> HTTPConnection:
        """This thread's, kept from file to file."""
        parts, mine = _split(self.url), (self.url, os.getpid())
        if getattr(_held, "whose", None) != mine:
            self._forget()
            kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
            _held.whose = mine
            _held.connection = kind(str(parts.hostname), parts.port, timeout=self.timeout_s)
        connection: HTTPConnection = _held.connection
        if connection.sock is not None:
            connection.sock.settimeout(self.timeout_s)
        return connection

    def _forget(self) -> None:
        _held.whose = None
        with suppress(AttributeError, OSError):
            _held.connection.close()

    def _unreachable(self, name: str, error: Exception) -> SiteError:
        reason = error.failed if isinstance(error, SiteError) else _reason(error)
        return SiteUnreachable(
            f"{self.url}: {name} could not be fetched: {reason}",
            expected="a web server that answers with whole files",
            next_step="try again later, or verify another copy of the log",
        )


def _bounded(deadline: float, timeout_s: float) -> type[HTTPResponse]:
    """Responses whose bytes, those of the headers too, must come before a deadline."""

    class Bounded(HTTPResponse):
        def __init__(self, sock: socket.socket, *args: object, **kwargs: object) -> None:
            super().__init__(sock, *args, **kwargs)  # type: ignore[arg-type]
            self.fp = io.BufferedReader(_Incoming(sock, self.fp, deadline, timeout_s))

    return Bounded


class _Incoming(io.RawIOBase):
    """held keeps the socket open where the connection has let go of it."""

    def __init__(
        self, connection: socket.socket, held: io.BufferedIOBase, deadline: float, timeout_s: float
    ) -> None:
        super().__init__()
        self._socket, self._held = connection, held
        self._deadline, self._timeout_s = deadline, timeout_s

    def close(self) -> None:
        super().close()
        self._held.close()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        left_s = self._deadline - time.monotonic()
        if left_s <= 0:
            raise TimeoutError("it came too slowly")
        self._socket.settimeout(min(left_s, self._timeout_s))
        return self._socket.recv_into(buffer)


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - looked at so that it is judged
    except ValueError:
        _refuse(url)
    return parts


def _refuse(url: str) -> NoReturn:
    raise _no_url(url)


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "no whole answer in time"
    if isinstance(error, ssl.SSLError):
        return f"TLS: {error.reason}"
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    return type(error).__name__  # a hostile server's own words stay out of messages


def _no_url(url: str) -> UsageError:
    return UsageError(
        f"{url[:200]!r} cannot be the URL of a log",
        expected="http(s)://host/path, without user, query and fragment",
        next_step="give the URL of the directory that holds `checkpoint`",
    )
