"""The witness itself: judging a checkpoint, co-signing it and remembering it in one step.

Invariants:

* One process has the directory. Per log one submission at a time is judged, signed and remembered:
  no other comes between the check and the write.
* A cosignature leaves only after it is durable. Whatever is lost, it is one that nobody has.
* A log's cosignatures never go back in time, whatever the clock does.
* After a failed fsync nothing is co-signed until the witness is started anew.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Self

from domicile.errors import UsageError
from domicile.ledger.disk import Disk, SyncFailed
from domicile.ledger.keys import COSIGN_ED25519, COSIGN_MLDSA44, Verifier
from domicile.ledger.lock import Taken, WriterLock
from domicile.ledger.note import Note, parse_note
from domicile.ledger.signing import FileSigner, Signer, sign_note
from domicile.ledger.witness.judge import Refusal, Submission, judge, read_submission
from domicile.ledger.witness.memory import Cosigned, Memory, origin_hash

__all__ = ["Answer", "Witness", "witness_signers"]

TEXT = "text/plain; charset=utf-8"
SIZE = "text/x.tlog.size"


@dataclass(frozen=True, slots=True)
class Answer:
    """What HTTP says: status, Content-Type and body."""

    status: int
    body: str
    content_type: str = TEXT


@dataclass(slots=True)
class _Watched:
    """One log, and whose turn it is."""

    turn: Lock
    last: Cosigned | None


def witness_signers(directory: Path, name: str) -> tuple[Signer, Signer]:
    """The witness's keys, made at the first start: Ed25519, and ML-DSA-44 which quantum computers
    do not break. Raises UsageError where a file is another witness's key."""
    kinds = (("ed25519.key", COSIGN_ED25519), ("mldsa44.key", COSIGN_MLDSA44))
    one, other = (FileSigner.create_or_load(directory / file, name, kind) for file, kind in kinds)
    return one, other


class Witness:
    """A witness in its directory. Usable from several threads."""

    def __init__(
        self,
        signers: Sequence[Signer],
        logs: Mapping[str, Sequence[Verifier]],
        memory: Memory,
        lock: WriterLock,
        clock: Callable[[], float],
    ) -> None:
        self._signers, self._logs = tuple(signers), dict(logs)
        self._memory, self._lock, self._clock = memory, lock, clock
        self._watched = {origin: _Watched(Lock(), memory.load(origin)) for origin in self._logs}
        self._names = {origin_hash(origin): watched for origin, watched in self._watched.items()}
        self._ended = ""

    @classmethod
    def open(
        cls,
        directory: Path,
        name: str,
        logs: Mapping[str, Sequence[Verifier]],
        *,
        disk: Disk | None = None,
        clock: Callable[[], float] = time.time,
    ) -> Self:
        """Open, or begin, the witness ``name``. logs: the trusted keys of each log by its origin.

        Raises UsageError where another process has the directory or the keys are another's,
        EvidenceError where what it remembers is not its own, OSError.
        """
        disk = disk or Disk()
        disk.make_directories(directory)
        try:
            lock = WriterLock(directory / "lock")
        except Taken:
            raise UsageError(
                f"the witness in {directory} is running already",
                expected="one process per witness",
                next_step="stop the other one",
            ) from None
        try:
            signers = witness_signers(directory, name)
            keys = [Verifier.parse(signer.vkey) for signer in signers]
            return cls(signers, logs, Memory(directory, keys, disk), lock, clock)
        except BaseException:
            lock.release()
            raise

    @property
    def vkeys(self) -> list[str]:
        """Its public keys, for those who verify."""
        return [signer.vkey for signer in self._signers]

    def close(self) -> None:
        """Give the directory back."""
        self._ended = self._ended or "the witness has stopped"
        self._lock.release()

    def add_checkpoint(self, body: bytes) -> Answer:
        """The answer to ``POST /add-checkpoint``."""
        submission = read_submission(body, self._logs)
        if isinstance(submission, Refusal):
            return _refused(submission)
        watched = self._watched[submission.head.origin]
        with watched.turn:
            if self._ended:
                return Answer(503, f"{self._ended}\n")
            return self._decide(submission, watched)

    def checkpoint(self, name: str) -> Answer:
        """The answer to ``GET /<name>/checkpoint``, where name is an `origin_hash`."""
        watched = self._names.get(name)
        last = watched.last if watched else None
        if last is None:
            return Answer(404, "this witness has co-signed no checkpoint of the log\n")
        return Answer(200, last.note.encode().decode())

    def _decide(self, submission: Submission, watched: _Watched) -> Answer:
        last = watched.last
        try:
            if refusal := judge(submission, last.head if last else None):
                if refusal.is_split:
                    self._keep_split(submission)
                return _refused(refusal)
            cosigned, lines = self._cosign(submission, last.time_s if last else 1)
            self._memory.keep(cosigned)
        except SyncFailed:
            self._ended = "the witness's disk failed: it must be started anew"
            return Answer(500, f"{self._ended}\n")
        except OSError as error:
            return Answer(500, f"the witness cannot remember it: {error.strerror}\n")
        watched.last = cosigned
        return Answer(200, lines)

    def _keep_split(self, submission: Submission) -> None:
        """As far as there is room: the answer is no either way. Raises SyncFailed."""
        try:
            self._memory.keep_split(submission.head, submission.note)
        except SyncFailed:
            raise
        except OSError:
            return

    def _cosign(self, submission: Submission, not_before_s: int) -> tuple[Cosigned, str]:
        """The checkpoint with the witness's lines, and those lines."""
        time_s = max(int(self._clock()), not_before_s)
        ours = sign_note(submission.note.text, self._signers, time_s).signatures
        note = Note(submission.note.text, (*submission.note.signatures, *ours))
        parse_note(note.encode())  # what it remembers it can read
        return Cosigned(submission.head, time_s, note), "".join(line.line for line in ours)


def _refused(refusal: Refusal) -> Answer:
    if refusal.size is not None:
        return Answer(refusal.status, f"{refusal.size}\n", SIZE)
    return Answer(refusal.status, f"{refusal.failed}\n")
