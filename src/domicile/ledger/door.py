"""The sequencer's door: a Unix socket through which other processes of the same user append.

A request is ``length u32, kind u8, id 16 bytes, entries u16, bundle``; kind 1 asks to be told when
it is durable, kind 2 also when it is integrated. An answer is ``status u8, id 16 bytes, value u64,
length u16, message``: ``D`` durable (value: index of the first entry), ``I`` integrated (value:
size of the checkpoint), ``G`` the sequencer is leaving, ``B`` busy and ``E`` refused (message: a
sentence, and what to do next after a newline). Numbers are big-endian. Requests may follow each
other without waiting; answers name them.

What comes in is bounded and hostile: whoever sends what is no request is cut off.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import socket
import struct
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from domicile.errors import DomicileError, EvidenceError, SiteRefused
from domicile.ledger.forked import abandon_in_children
from domicile.ledger.journal import ID_BYTES, MAX_GROUP_BYTES, Request
from domicile.ledger.pending import Pending
from domicile.ledger.tiles import MAX_ENTRY_BYTES, decode_bundle

__all__ = ["ANSWER", "Busy", "Door", "Leaving", "connect", "encode_request"]

ANSWER = struct.Struct(">c16sQH")
_LENGTH = struct.Struct(">I")
_REQUEST = struct.Struct(">B16sH")
_HEAD = struct.Struct(">IB16sH")  # both
_MAX_REQUEST_BYTES = MAX_GROUP_BYTES // 2
_DURABLE, _INTEGRATED = 1, 2
_RECEIVE_BYTES = 256 << 10
_MAX_UNSENT_BYTES = 4 << 20
_MAX_PATH_BYTES = 100
_BACKLOG = 256
_LOOK_S = 0.005


class Busy(SiteRefused):
    """The sequencer has as much to do as it takes on; nothing was recorded."""


class Leaving(SiteRefused):
    """This sequencer takes nothing any more; another may."""


def encode_request(request: Request, *, integrated: bool) -> bytes:
    """A request as it goes through the socket."""
    kind = _INTEGRATED if integrated else _DURABLE
    head = _REQUEST.pack(kind, request.id, request.number)
    return _LENGTH.pack(len(head) + len(request.bundle)) + head + request.bundle


def connect(path: Path, timeout_s: float) -> socket.socket:
    """A connection to the door at ``path``, on which whatever takes longer raises BlockingIOError.
    Raises OSError where nobody is behind it."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    limit = struct.pack("ll", int(timeout_s), int(timeout_s % 1 * 1_000_000))
    try:
        # The kernel's own limits: Python's would cost a poll for each call.
        for option in (socket.SO_SNDTIMEO, socket.SO_RCVTIMEO):
            connection.setsockopt(socket.SOL_SOCKET, option, limit)
        with _address(path) as address:
            connection.connect(address)
    except BaseException:
        connection.close()
        raise
    return connection


@contextlib.contextmanager
def _address(path: Path) -> Iterator[str]:
    """The path, or a short alias of it: a socket's address holds 107 bytes."""
    if len(os.fsencode(path)) <= _MAX_PATH_BYTES:
        yield str(path)
        return
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{directory}/{path.name}"
    finally:
        os.close(directory)


@dataclass(slots=True, eq=False)
class _Visitor:
    """One connection: what came of its next request, and what it has not been sent yet."""

    socket: socket.socket
    received: bytes = b""
    unsent: bytes = b""
    is_slow: bool = False  # the selector says when it takes more


class Door:
    """Polled and flushed by the sequencer's committer alone. What others tell a `Pending` is sent
    with the next flush; `wake`, from any thread, brings that about."""

    def __init__(self, path: Path | None) -> None:
        """path: where to listen; None for a sequencer that serves its own process alone."""
        self._path = path
        self._selector = selectors.DefaultSelector()
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._selector.register(self._wake, selectors.EVENT_READ)
        self._listener = _listen(path) if path else None
        if self._listener is not None:
            self._selector.register(self._listener, selectors.EVENT_READ)
        self._visitors = 0
        self._looked = 0.0
        self._posted: deque[tuple[_Visitor, bytes]] = deque()
        self._unflushed: dict[_Visitor, None] = {}
        abandon_in_children(self)

    def wake(self) -> None:
        """End a poll that waits."""
        os.eventfd_write(self._wake, 1)

    def poll(self, *, wait: bool) -> list[Pending]:
        """What came in; with ``wait``, not before something did or somebody woke it. While nobody
        is connected and others are at work, newcomers are looked for now and then."""
        came: list[Pending] = []
        now = time.monotonic()
        if not wait and not self._visitors and now < self._looked + _LOOK_S:
            return came
        self._looked = now
        for key, events in self._selector.select(None if wait else 0):
            if key.fileobj is self._wake:
                with contextlib.suppress(BlockingIOError):
                    os.eventfd_read(self._wake)
            elif key.fileobj is self._listener:
                self._admit()
            else:
                visitor: _Visitor = key.data
                if events & selectors.EVENT_WRITE:
                    self._unflushed[visitor] = None
                if events & selectors.EVENT_READ:
                    came += self._receive(visitor)
        self.flush()
        return came

    def flush(self) -> None:
        """Send what is to be sent, as far as the others take it."""
        while self._posted:
            visitor, answer = self._posted.popleft()
            visitor.unsent += answer
            self._unflushed[visitor] = None
        for visitor in self._unflushed:
            self._send(visitor)
        self._unflushed.clear()

    def close(self) -> None:
        """Say goodbye to everybody. What was posted is sent as far as they take it."""
        self.flush()
        self.abandon()
        if self._path is not None:
            self._path.unlink(missing_ok=True)

    def abandon(self) -> None:
        """For a forked child: nothing is sent, and the parent's door stays as it is."""
        if self._wake < 0:
            return
        for key in list(self._selector.get_map().values()):
            if isinstance(key.fileobj, socket.socket):
                key.fileobj.close()
        self._selector.close()
        os.close(self._wake)
        self._wake = -1

    def _admit(self) -> None:
        with contextlib.suppress(OSError):
            if self._listener is not None:
                connection, _ = self._listener.accept()
                connection.settimeout(0)
                visitor = _Visitor(connection)
                self._selector.register(connection, selectors.EVENT_READ, visitor)
                self._visitors += 1

    def _receive(self, visitor: _Visitor) -> list[Pending]:
        try:
            data = visitor.socket.recv(_RECEIVE_BYTES)
        except BlockingIOError:
            return []
        except OSError:
            data = b""
        try:
            requests, visitor.received = _take_requests(visitor.received + data)
        except EvidenceError:
            data, requests = b"", []
        if not data:
            self._dismiss(visitor)
        tell = partial(self._tell, visitor)
        return [Pending(request, tell, kind == _INTEGRATED) for kind, request in requests]

    def _tell(self, visitor: _Visitor, pending: Pending, error: DomicileError | None) -> None:
        if not pending.is_told:
            pending.is_told = error is not None or pending.size > 0 or not pending.is_urgent
            self._posted.append((visitor, _answer(pending, error)))

    def _send(self, visitor: _Visitor) -> None:
        try:
            sent = visitor.socket.send(visitor.unsent)
        except BlockingIOError:
            sent = 0
        except OSError:
            self._dismiss(visitor)
            return
        visitor.unsent = visitor.unsent[sent:]
        if len(visitor.unsent) > _MAX_UNSENT_BYTES:
            self._dismiss(visitor)
        elif visitor.is_slow != bool(visitor.unsent):
            visitor.is_slow = bool(visitor.unsent)
            wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if visitor.is_slow else 0)
            self._selector.modify(visitor.socket, wanted, visitor)

    def _dismiss(self, visitor: _Visitor) -> None:
        visitor.unsent = b""
        with contextlib.suppress(KeyError, ValueError):
            self._selector.unregister(visitor.socket)
            self._visitors -= 1
        visitor.socket.close()


def _listen(path: Path) -> socket.socket:
    """Listen where nobody else does: whoever calls this holds the log's lock."""
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with _address(path) as address:
            listener.bind(address)
        path.chmod(0o600)  # before listening: nobody came in meanwhile
        listener.listen(_BACKLOG)
        listener.settimeout(0)
    except BaseException:
        listener.close()
        raise
    return listener


def _take_requests(received: bytes) -> tuple[list[tuple[int, Request]], bytes]:
    """The whole requests of what was received, and the rest. Raises EvidenceError where it is
    none."""
    requests: list[tuple[int, Request]] = []
    at, have = 0, len(received)
    while have - at >= _HEAD.size:
        length, kind, identity, count = _HEAD.unpack_from(received, at)
        if not _REQUEST.size < length <= _MAX_REQUEST_BYTES or not 0 < kind <= _INTEGRATED:
            raise _no_request()
        begin, end = at + _HEAD.size, at + _LENGTH.size + length
        if end > have:
            break
        bundle = received[begin:end]
        if count != 1 or int.from_bytes(bundle[:2], "big") != len(bundle) - 2:
            _check_bundle(bundle, count)
        requests.append((kind, Request(identity, count, bundle)))
        at = end
    if have - at >= _LENGTH.size:  # what cannot become a request is not waited for
        (length,) = _LENGTH.unpack_from(received, at)
        if not _REQUEST.size < length <= _MAX_REQUEST_BYTES:
            raise _no_request()
    return requests, received[at:]


def _check_bundle(bundle: bytes, count: int) -> None:
    if not count:
        raise _no_request()
    decode_bundle(bundle, count)


def _answer(pending: Pending, error: DomicileError | None) -> bytes:
    if error is None:
        status, value = (b"I", pending.size) if pending.size else (b"D", pending.first)
        return ANSWER.pack(status, pending.request.id, value, 0)
    message = f"{error.failed}\n{error.next_step}".encode()[:MAX_ENTRY_BYTES]
    status = b"B" if isinstance(error, Busy) else b"G" if isinstance(error, Leaving) else b"E"
    return ANSWER.pack(status, pending.request.id, 0, len(message)) + message


def _no_request() -> EvidenceError:
    return EvidenceError(
        "what came through the ledger's socket is no request",
        expected=f"a request of at most {MAX_GROUP_BYTES:,} bytes under an id of {ID_BYTES}",
        next_step="use the same version of Domicile on both sides",
    )
