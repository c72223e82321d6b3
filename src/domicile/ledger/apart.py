"""The log's tree in a process of its own: hashing and writing tiles takes nothing of a sequencer.

`LogApart` stands in the sequencer's process and is used like a `Log`; the process that it starts
holds the log's lock and writes its files. Keys and witnesses stay with the sequencer: the process
asks it for every signature and every cosignature. So it signs nothing once the sequencer is gone;
it finishes or drops what it was doing, and gives the lock back.
"""

from __future__ import annotations

import contextlib
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NamedTuple, TypeVar

from domicile.errors import DomicileError, SiteRefused
from domicile.ledger.cosigning import Cosigner, Unwitnessed
from domicile.ledger.forked import abandon_in_children
from domicile.ledger.log import Log
from domicile.ledger.note import Note
from domicile.ledger.proofs import Prover
from domicile.ledger.signing import Signer
from domicile.ledger.store import Store

__all__ = ["LogApart", "serve"]

_END_S = 30.0
_RUN = f"import sys; from {__name__} import serve; serve(int(sys.argv[1]))"

_Answer = TypeVar("_Answer")


class _Open(NamedTuple):
    directory: Path
    origin: str
    keys: tuple[tuple[str, str], ...]  # names and public keys


class _Grow(NamedTuple):
    bundle: bytes
    number: int


class _Publish(NamedTuple):
    pass


class _Sign(NamedTuple):
    key: int
    message: bytes


class _Cosign(NamedTuple):
    note: Note
    size: int


class _State(NamedTuple):
    size: int = 0
    published_size: int = 0
    is_ahead: bool = False
    ended: str = ""


class _Done(NamedTuple):
    state: _State
    error: DomicileError | None


class LogApart:
    """A log whose one writer is another process. Used by one thread at a time."""

    def __init__(
        self, directory: Path, signers: Sequence[Signer], origin: str, cosigner: Cosigner | None
    ) -> None:
        """Open the log. Raises like `Log.open`."""
        self._store = Store(directory)
        self._signers, self._cosigner = tuple(signers), cosigner or Unwitnessed()
        self._state = _State()
        self._process, self._connection = _start()
        abandon_in_children(self)
        try:
            keys = tuple((signer.name, signer.vkey) for signer in signers)
            self._ask(_Open(directory.absolute(), origin, keys))
        except BaseException:
            self.close()
            raise

    @property
    def size(self) -> int:
        """How many entries the signed tree has."""
        return self._state.size

    @property
    def published_size(self) -> int:
        """How many entries the published checkpoint covers: fewer while witnesses are away."""
        return self._state.published_size

    @property
    def is_ahead(self) -> bool:
        """Whether something is signed that is not published."""
        return self._state.is_ahead

    @property
    def ended(self) -> str:
        """Why this writer takes nothing any more; empty while it does."""
        return self._state.ended

    def entries(self, start: int = 0) -> Iterator[tuple[int, bytes]]:
        """Entries from index ``start`` to the size of now. Raises EvidenceError."""
        return self._store.entries(self.size, start)

    def grow(self, bundle: bytes, count: int) -> None:
        """As `Log.grow`."""
        self._ask(_Grow(bundle, count))

    def publish(self) -> None:
        """As `Log.publish`."""
        if self.is_ahead:
            self._ask(_Publish())

    def close(self) -> None:
        """Have the process end, and the lock given back. Does nothing the second time."""
        self._connection.close()
        try:
            self._process.wait(_END_S)
        except subprocess.TimeoutExpired:  # a disk that hangs; what it writes is not published
            self._process.kill()
            self._process.wait()

    def abandon(self) -> None:
        """For a forked child."""
        self._connection.close()

    def _ask(self, what: _Open | _Grow | _Publish) -> None:
        """Have it done, and answer what the process asks meanwhile."""
        try:
            self._connection.send(what)
            while not isinstance(asked := self._connection.recv(), _Done):
                self._connection.send(self._answer(asked))
        except (EOFError, OSError) as error:
            self._state = self._state._replace(ended="the process that writes its tree ended")
            raise _gone(self._state.ended) from error
        self._state = asked.state
        if asked.error is not None:
            raise asked.error

    def _answer(self, asked: _Sign | _Cosign) -> bytes | Note | DomicileError:
        try:
            if isinstance(asked, _Sign):
                return self._signers[asked.key].sign(asked.message)
            return self._cosigner.cosign(asked.note, Prover(self._store, asked.size))
        except DomicileError as error:
            return error


def _start() -> tuple[subprocess.Popen[bytes], Connection]:
    ours, theirs = socket.socketpair()
    with theirs:
        process = subprocess.Popen(  # noqa: S603 - this interpreter, with a constant
            [sys.executable, "-c", _RUN, str(theirs.fileno())],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
        )
    return process, Connection(ours.detach())


# In the process.


class _Gone(BaseException):
    """The sequencer is gone. Not to be mistaken for a failure of a disk, key or witness."""


class _Sequencer:
    """The sequencer, as the process sees it."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def receive(self) -> object:
        """The next message. Raises _Gone."""
        try:
            return self._connection.recv()
        except (EOFError, OSError) as error:
            raise _Gone from error

    def send(self, what: _Sign | _Cosign | _Done) -> None:
        """Raises _Gone."""
        try:
            self._connection.send(what)
        except OSError as error:
            raise _Gone from error

    def ask(self, what: _Sign | _Cosign, kind: type[_Answer]) -> _Answer:
        """Its answer. Raises the error that it was, _Gone."""
        self.send(what)
        answer = self.receive()
        if isinstance(answer, DomicileError):
            raise answer
        if not isinstance(answer, kind):
            raise _Gone
        return answer


class _KeyOf:
    """A key that the sequencer keeps."""

    def __init__(self, sequencer: _Sequencer, number: int, name: str, vkey: str) -> None:
        self._sequencer, self._number = sequencer, number
        self.name, self.vkey = name, vkey

    def sign(self, message: bytes) -> bytes:
        """The signature."""
        return self._sequencer.ask(_Sign(self._number, message), bytes)


class _WitnessesOf:
    """The witnesses, which the sequencer asks."""

    def __init__(self, sequencer: _Sequencer) -> None:
        self._sequencer = sequencer

    def cosign(self, note: Note, prover: Prover) -> Note:
        """The note with their lines."""
        return self._sequencer.ask(_Cosign(note, prover.size), Note)


def _serve(sequencer: _Sequencer) -> None:
    log: Log | None = None
    while True:
        asked = sequencer.receive()
        error: DomicileError | None = None
        try:
            if isinstance(asked, _Open):
                log = _open(sequencer, asked)
            elif isinstance(asked, _Grow) and log is not None:
                log.grow(asked.bundle, asked.number)
            elif log is not None:
                log.publish()
        except DomicileError as raised:
            error = raised
        sequencer.send(_Done(_state(log), error))


def _open(sequencer: _Sequencer, asked: _Open) -> Log:
    keys = [_KeyOf(sequencer, at, *key) for at, key in enumerate(asked.keys)]
    return Log.open(asked.directory, keys, asked.origin, cosigner=_WitnessesOf(sequencer))


def _state(log: Log | None) -> _State:
    if log is None:
        return _State()
    return _State(log.size, log.published_size, log.is_ahead, log.ended)


def _gone(why: str) -> SiteRefused:
    return SiteRefused(
        f"the ledger takes no entries: {why}",
        expected="a process that lives as long as its sequencer",
        next_step="open the ledger again and repeat under the same id",
    )


def serve(descriptor: int) -> None:
    """Write the log for the sequencer at the other end of this socket, until it is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the sequencer decides when all is done
    with contextlib.suppress(_Gone):
        _serve(_Sequencer(Connection(descriptor)))
