"""Appending to a log that several processes share.

Whoever has the log's lock is its sequencer and listens at its door; the others append through that
door. Where the sequencer goes away in the middle of a request, the next process takes its place or
finds who did, and repeats the request under the same id: nothing is lost and nothing doubled.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from itertools import count
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Self

from domicile.errors import SiteRefused
from domicile.ledger.apart import LogApart
from domicile.ledger.client import ANSWER_S, Client
from domicile.ledger.cosigning import Cosigner
from domicile.ledger.disk import Disk
from domicile.ledger.door import Door
from domicile.ledger.entries import Entry, encode
from domicile.ledger.integrator import Tree
from domicile.ledger.journal import ID_BYTES, Journal, Request
from domicile.ledger.lock import Taken, WriterLock
from domicile.ledger.log import Log, refusal
from domicile.ledger.reader import LedgerReader, read_only
from domicile.ledger.sequencer import Sequencer, check_request
from domicile.ledger.signing import Signer
from domicile.ledger.store import PRIVATE

__all__ = ["Ledger"]

_PATIENCE_S = 10.0
_ATTEMPTS = 5
_PAUSE_S = 0.05
_STEM_BYTES = 11


class Ledger:
    """A log, open for appending. Usable from several threads, not from a forked child."""

    def __init__(self, directory: Path, begin: Callable[[], Tree], disk: Disk) -> None:
        self._directory, self._begin, self._disk = directory, begin, disk
        self._process = os.getpid()
        self._stem, self._numbers = os.urandom(_STEM_BYTES), count()
        self._turn = Lock()
        self._closed = False
        self._writer = self._open()

    @classmethod
    def open(
        cls,
        directory: Path,
        signers: Sequence[Signer],
        origin: str,
        *,
        cosigner: Cosigner | None = None,
        disk: Disk | None = None,
        apart: bool = False,
    ) -> Self:
        """Open the log, or begin a new one; as its sequencer, or through the process that is.

        origin is the log's name and its keys': a URL without scheme, ``example.com/ledger``.
        apart: have the tree grow in a process of its own, for who appends without pause; starting
        that process takes a moment, and disk is then used for the journal alone.

        Raises UsageError where origin and key do not fit, or somebody else writes to the log who
        does not answer; EvidenceError where what was signed is not what is there; SiteRefused
        where the directory cannot be written.
        """
        disk = disk or Disk()
        begin: Callable[[], Tree]
        if apart:
            begin = partial(LogApart, directory, signers, origin, cosigner)
        else:
            begin = partial(Log.open, directory, signers, origin, cosigner=cosigner, disk=disk)
        return cls(directory, begin, disk)

    def append(
        self, entries: Sequence[Entry], *, identity: bytes | None = None, integrated: bool = True
    ) -> list[int]:
        """Append all of ``entries`` or none; their indices. When it returns they are durable and,
        with ``integrated``, under a published, signed checkpoint.

        identity: 16 bytes; a call repeated under them adds no second entry (see
        `journal.KEPT_REQUESTS`). Raises UsageError where an entry cannot be one, Busy, SiteRefused
        where it was not recorded, is in no checkpoint yet, or (the message says which) where that
        is unknown.
        """
        if not entries:
            return []
        request = Request.of(identity or self._fresh_id(), [encode(e) for e in entries])
        check_request(request)
        first = self._append(request, integrated=integrated)
        return list(range(first, first + len(entries)))

    def _fresh_id(self) -> bytes:
        """One that nobody else gives: asking the kernel each time would cost a turn of the
        interpreter's lock."""
        return self._stem + next(self._numbers).to_bytes(ID_BYTES - _STEM_BYTES, "big")

    @property
    def size(self) -> int:
        """How many entries the published checkpoint covers."""
        return self.reader().size

    @property
    def root(self) -> bytes:
        """The published root."""
        return self.reader().checkpoint.root

    def reader(self) -> LedgerReader:
        """The log as it is published now."""
        return read_only(self._directory)

    def entries(self, start: int = 0) -> Iterator[tuple[int, bytes]]:
        """Entries from index ``start`` to the published size. Raises EvidenceError."""
        return self.reader().entries(start)

    def close(self) -> None:
        """Leave the log to others. What is durable is integrated first, as far as the disk takes
        it; the next opening integrates the rest."""
        self._closed = True
        if self._process == os.getpid():
            self._writer.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _append(self, request: Request, *, integrated: bool) -> int:
        for _ in range(_ATTEMPTS):
            if self._closed or self._process != os.getpid():
                raise _not_ours(closed=self._closed)
            writer = self._writer
            try:
                return writer.append(request, integrated=integrated)
            except ConnectionError:
                with self._turn:
                    if self._writer is writer:
                        writer.close()
                        self._writer = self._open()
        raise SiteRefused(
            "it is unknown whether the entries are recorded: whoever writes to the ledger did not"
            f" answer {_ATTEMPTS} times",
            expected=f"an answer within {ANSWER_S:.0f} s",
            next_step="see what the other process does, then repeat under the same id",
        )

    def _open(self) -> _Here | Client:
        """Take the log, or find who has it; whoever has it may be just beginning or ending."""
        deadline = time.monotonic() + _PATIENCE_S
        while True:
            try:
                return _Here(self._directory, self._begin, self._disk)
            except Taken as taken:
                try:
                    return Client(_door(self._directory))
                except OSError:
                    if time.monotonic() > deadline:
                        raise taken from None
            time.sleep(_PAUSE_S)


class _Here:
    """This process is the sequencer."""

    def __init__(self, directory: Path, begin: Callable[[], Tree], disk: Disk) -> None:
        with ExitStack() as stack:
            with refusal("the ledger cannot be opened"):
                disk.make_directories(directory / PRIVATE)
                self._lock = WriterLock(directory / PRIVATE / "sequencer")
            stack.callback(self._lock.release)
            self._log = begin()
            stack.callback(self._log.close)
            with refusal("the ledger cannot be opened"):
                journal, groups = Journal.open(directory / PRIVATE / "journal", disk)
                stack.callback(journal.close)
                door = Door(_door(directory))
                stack.callback(door.close)
            self._sequencer = Sequencer.start(self._log, journal, groups, door)
            stack.pop_all()  # the sequencer closes them

    def append(self, request: Request, *, integrated: bool) -> int:
        receipt = self._sequencer.submit(request)
        (first, *_) = receipt.durable()
        if integrated:
            receipt.integrated()
        return first

    def close(self) -> None:
        self._sequencer.close()
        self._log.close()
        self._lock.release()


def _door(directory: Path) -> Path:
    return directory / PRIVATE / "door"


def _not_ours(*, closed: bool) -> SiteRefused:
    why = "it was closed" if closed else "another process opened it"
    return SiteRefused(
        f"the ledger takes no entries: {why}",
        expected="a ledger opened by this process",
        next_step="open the ledger again and repeat under the same id",
    )
