"""Appending through the process that is the log's sequencer: many callers, one connection."""

from __future__ import annotations

import contextlib
import socket
from pathlib import Path
from threading import Lock, Thread

from domicile.errors import DomicileError, SiteRefused
from domicile.ledger.door import ANSWER, Busy, Leaving, connect, encode_request
from domicile.ledger.journal import Request
from domicile.ledger.pending import Pending, Receipt

__all__ = ["ANSWER_S", "Client"]

ANSWER_S = 30.0
"""How long an answer is waited for."""
_RECEIVE_BYTES = 64 << 10


class Client:
    """Usable from several threads, not from a forked child. Raises OSError where nobody is behind
    the door."""

    def __init__(self, path: Path) -> None:
        self._turn = Lock()
        self._waiting: dict[bytes, list[Pending]] = {}
        self._gone: Leaving | None = None
        self._socket = connect(path, ANSWER_S)
        self._reader = Thread(target=self._read, name="ledger-client", daemon=True)
        self._reader.start()

    def append(self, request: Request, *, integrated: bool) -> int:
        """The index of the request's first entry, once it is durable, or integrated.

        Raises Busy, SiteRefused, and ConnectionError where it is to be repeated under the same
        id, here or elsewhere: the sequencer left, or gave no answer in time.
        """
        receipt = Receipt(request.number, _unhurried)
        pending = Pending(request, receipt.tell, is_urgent=integrated)
        try:
            self._send(pending)
            (first, *_) = receipt.durable(ANSWER_S)
            if integrated:
                receipt.integrated(ANSWER_S)
        except (BlockingIOError, TimeoutError, Leaving) as error:
            raise ConnectionError from error
        return first

    def close(self) -> None:
        """Leave. Whoever still waits is told that the connection is gone."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._reader.join()
        self._socket.close()

    def _send(self, pending: Pending) -> None:
        data = encode_request(pending.request, integrated=pending.is_urgent)
        with self._turn:
            if self._gone is not None:
                raise self._gone
            self._waiting.setdefault(pending.request.id, []).append(pending)
            self._socket.sendall(data)

    def _read(self) -> None:
        received = b""
        with contextlib.suppress(OSError):
            while data := self._receive():
                received = self._take_answers(received + data)
        with self._turn:
            self._gone = _gone()
            left = [pending for waiting in self._waiting.values() for pending in waiting]
            self._waiting.clear()
        for pending in left:
            pending.tell(pending, self._gone)

    def _receive(self) -> bytes:
        while True:
            with contextlib.suppress(BlockingIOError):  # nobody asked for anything in that time
                return self._socket.recv(_RECEIVE_BYTES)

    def _take_answers(self, received: bytes) -> bytes:
        """Hand out the whole answers of what was received; the rest."""
        at = 0
        while at + ANSWER.size <= len(received):
            status, identity, value, length = ANSWER.unpack_from(received, at)
            begin, end = at + ANSWER.size, at + ANSWER.size + length
            if end > len(received):
                break
            self._take(status, identity, value, received[begin:end])
            at = end
        return received[at:]

    def _take(self, status: bytes, identity: bytes, value: int, message: bytes) -> None:
        """One answer, for everybody who asked under this id: it is the same request."""
        error = None if status in {b"D", b"I"} else _error(status, message)
        with self._turn:
            waiting = self._waiting.get(identity, [])
            is_last = status != b"D" or not any(pending.is_urgent for pending in waiting)
            if is_last:
                self._waiting.pop(identity, None)
        for pending in waiting:
            pending.first, pending.size = (value, 0) if status == b"D" else (pending.first, value)
            pending.tell(pending, error)


def _unhurried() -> None:
    """The request itself says that somebody waits."""


def _error(status: bytes, message: bytes) -> DomicileError:
    if status == b"G":
        return _gone()
    failed, _, next_step = message.decode(errors="replace").partition("\n")
    kind = Busy if status == b"B" else SiteRefused
    return kind(failed, expected="a ledger that takes entries", next_step=next_step)


def _gone() -> Leaving:
    return Leaving(
        "the process that writes to the ledger went away",
        expected="an answer",
        next_step="repeat under the same id",
    )
