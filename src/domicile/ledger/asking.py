"""Asking one witness for its cosignature: C2SP tlog-witness, the client's side.

What comes back is hostile: it is bounded in size and time, no redirect is followed, and no line
counts that the witness's own keys did not sign.
"""

from __future__ import annotations

import http.client
import re
import socket
import ssl
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from threading import Timer
from time import monotonic
from urllib.parse import urlsplit

from domicile.errors import EvidenceError, SiteUnreachable, UsageError
from domicile.ledger.base64 import encode_base64
from domicile.ledger.keys import Verifier
from domicile.ledger.note import Note, Signature, parse_note, signed_part
from domicile.ledger.proofs import Prover

__all__ = ["Contact", "KnownWitness", "cosignature_lines", "parse_size"]

_LARGEST_ANSWER_BYTES = 131_072
_ATTEMPTS = 2  # with the size that it had, and with the size that it says
_SIZE = re.compile(rb"(0|[1-9][0-9]{0,18})\n\Z")
_SIZE_TYPE = "text/x.tlog.size"
_OUR_TREE_CONTRADICTS = frozenset({422})


@dataclass(frozen=True, slots=True)
class KnownWitness:
    """A witness as the charter has it: its name there, its submission prefix, and the keys that
    must each sign."""

    label: str
    url: str
    keys: tuple[Verifier, ...]


def parse_size(body: bytes) -> int | None:
    """The size that a 409 tells, or None where it is none."""
    return int(body) if _SIZE.match(body) else None


def cosignature_lines(note: Note, answer: bytes, keys: Sequence[Verifier]) -> tuple[Signature, ...]:
    """The lines of ``answer`` with which every one of ``keys`` signed the note; lines of strangers
    are left out. Raises EvidenceError where one of them did not, or signed wrongly."""
    whole = parse_note((note.text + "\n").encode() + answer)
    lines = signed_part(whole, keys).signatures
    if whole.text != note.text or len(lines) != len(keys):
        raise EvidenceError(
            "not every key of the witness signed the checkpoint",
            expected="a line of each of its keys",
            next_step="compare the charter's keys with those that the witness publishes",
        )
    return lines


class Contact:
    """One witness, and the connection to it. Used by one thread at a time."""

    def __init__(self, witness: KnownWitness, timeout_s: float) -> None:
        self._witness, self._timeout_s = witness, timeout_s
        parts = urlsplit(witness.url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise _no_address(witness)
        self._secure, self._host, self._port = parts.scheme == "https", parts.hostname, parts.port
        self._path = f"{parts.path.rstrip('/')}/add-checkpoint"
        self._connection: http.client.HTTPConnection | None = None
        self._size = 0  # of the last checkpoint that it co-signed, as far as is known

    def ask(self, note: Note, prover: Prover) -> tuple[Signature, ...]:
        """Its lines for the checkpoint whose tree ``prover`` proves things about.

        Raises SiteUnreachable where it did not do its part; EvidenceError where it says that our
        tree is not the one that it knows, or what it answers is wrong.
        """
        deadline = monotonic() + self._timeout_s
        for _ in range(_ATTEMPTS):
            size = self._size if self._size <= prover.size else 0
            body = _request(size, prover.consistency(size), note)
            status, kind, answer = self._post(body, deadline)
            if status == http.HTTPStatus.OK:
                lines = cosignature_lines(note, answer, self._witness.keys)
                self._size = prover.size
                return lines
            self._size = 0
            if status != http.HTTPStatus.CONFLICT:
                raise _refused(status)
            self._size = _known_size(kind, answer, prover.size)
        raise _away("it has co-signed another checkpoint each time it was asked")

    def close(self) -> None:
        """Hang up."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _post(self, body: bytes, deadline: float) -> tuple[int, str, bytes]:
        """Status, Content-Type and body of the answer. A connection that was kept may have been
        closed by the other side meanwhile: then it is opened anew, once."""
        was_open = self._connection is not None
        try:
            return self._exchange(body, deadline)
        except (ConnectionError, http.client.HTTPException) as error:
            if not was_open or monotonic() >= deadline:
                raise _away(_why(error)) from error
        except OSError as error:
            raise _away(_why(error)) from error
        try:
            return self._exchange(body, deadline)
        except (OSError, http.client.HTTPException) as error:
            raise _away(_why(error)) from error

    def _exchange(self, body: bytes, deadline: float) -> tuple[int, str, bytes]:
        left_s = max(deadline - monotonic(), 0.001)
        connection = self._connection or self._connect(left_s)
        self._connection = None
        watchdog = Timer(left_s, _cut, (connection,))
        watchdog.daemon = True
        watchdog.start()
        try:
            response, answer = _send(connection, self._path, body)
            if response.isclosed():  # read to its end: the connection can be used again
                self._connection = connection
        except (OSError, http.client.HTTPException) as error:
            if monotonic() >= deadline:
                raise TimeoutError from error
            raise
        finally:
            watchdog.cancel()
            if self._connection is None:
                connection.close()
        return response.status, response.headers.get_content_type(), answer

    def _connect(self, timeout_s: float) -> http.client.HTTPConnection:
        if self._secure:
            context = ssl.create_default_context()
            return http.client.HTTPSConnection(
                self._host, self._port, timeout=timeout_s, context=context
            )
        return http.client.HTTPConnection(self._host, self._port, timeout=timeout_s)


def _send(
    connection: http.client.HTTPConnection, path: str, body: bytes
) -> tuple[http.client.HTTPResponse, bytes]:
    """The answer, and its body if that is not too large."""
    connection.request("POST", path, body, {"Content-Type": "text/plain; charset=utf-8"})
    response = connection.getresponse()
    answer = response.read(_LARGEST_ANSWER_BYTES + 1)
    if len(answer) > _LARGEST_ANSWER_BYTES or response.length:
        raise http.client.HTTPException("its answer is too large, or cut off")
    return response, answer


def _cut(connection: http.client.HTTPConnection) -> None:
    """End what another thread waits for: a read's own time limit begins anew with every byte."""
    waiting: socket.socket | None = connection.sock
    if waiting is not None:
        with suppress(OSError):
            socket.socket.shutdown(waiting, socket.SHUT_RDWR)  # not ssl's, which is not for threads


def _request(size: int, proof: Sequence[bytes], note: Note) -> bytes:
    lines = [f"old {size}", *map(encode_base64, proof)]
    return "".join(f"{line}\n" for line in lines).encode() + b"\n" + note.encode()


def _known_size(kind: str, answer: bytes, ours: int) -> int:
    size = parse_size(answer)
    if size is None or kind != _SIZE_TYPE:
        raise _away("it answered 409 without a size")
    if size > ours:
        raise _contradiction(
            f"it has co-signed {size:,} entries of this log, which has {ours:,} now:"
            " the log was rolled back, or another one has its name and key"
        )
    return size


def _refused(status: int) -> SiteUnreachable | EvidenceError:
    if status in _OUR_TREE_CONTRADICTS:
        return _contradiction("it says that this log's tree does not follow the one it co-signed")
    meanings = {403: ": it has other keys of this log", 404: ": it does not know this log"}
    return _away(f"it answered {status}{meanings.get(status, '')}")


def _why(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, ssl.SSLError):
        return f"no TLS connection ({error.reason})"
    if isinstance(error, OSError):
        return f"no connection ({error.strerror or type(error).__name__})"
    return f"no proper HTTP answer ({type(error).__name__})"


def _away(why: str) -> SiteUnreachable:
    return SiteUnreachable(
        why, expected="a cosignature", next_step="ask whoever runs the witness, or try again"
    )


def _contradiction(failed: str) -> EvidenceError:
    return EvidenceError(
        failed,
        expected="a tree that extends every one that was signed before",
        next_step="stop, keep the ledger's directory as it is, and compare it with its copies",
    )


def _no_address(witness: KnownWitness) -> UsageError:
    return UsageError(
        f"the address of the witness {witness.label} is none",
        expected="http:// or https:// and a host",
        next_step="correct its url",
    )
