"""The log's witnesses, all asked at once: how many must co-sign, and what if they are away.

Invariants:

* A checkpoint waits for a witness no longer than the time limit, and where enough others answered
  no longer than a moment.
* A witness that failed is left in peace for a while that doubles, unless too few are left without
  it and nothing may be published without them.
* One request at a time per witness; what comes too late only tells what the witness knows.
* What a witness does wrong, or says against this log, is kept as a notice; it costs the log that
  witness's cosignature and nothing else.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Literal

from domicile.errors import DomicileError, EvidenceError, UsageError
from domicile.ledger.asking import Contact, KnownWitness
from domicile.ledger.cosigning import NotCosigned
from domicile.ledger.note import Note, Signature
from domicile.ledger.proofs import Prover

__all__ = ["Quorum", "Witnesses"]

_TIMEOUT_S = 5.0
_MOMENT_S = 0.25  # for those who are slower than enough others
_BACKOFF_S = (1.0, 300.0)
_MOST_NOTICES = 100


@dataclass(frozen=True, slots=True)
class Quorum:
    """Who is asked, how many of them must co-sign, and what happens where fewer do: ``refuse``
    publishes nothing, ``publish`` publishes with fewer."""

    witnesses: tuple[KnownWitness, ...]
    needed: int
    away: Literal["refuse", "publish"] = "refuse"


@dataclass(frozen=True, slots=True)
class _Answer:
    """What came of asking one: its lines, or why there are none."""

    label: str
    lines: tuple[Signature, ...] = ()
    why: str = ""


class _Asked:
    """One witness, and when to ask it again."""

    def __init__(self, witness: KnownWitness, timeout_s: float, clock: Callable[[], float]) -> None:
        self.label = witness.label
        self._contact, self._clock = Contact(witness, timeout_s), clock
        self._backoff_s, self._not_before = _BACKOFF_S[0], clock()
        self.is_busy = False
        self.said: str = ""  # what it did wrong or says against this log

    @property
    def is_ready(self) -> bool:
        return not self.is_busy and self._clock() >= self._not_before

    def begin(self, note: Note, prover: Prover, answers: SimpleQueue[_Answer]) -> None:
        """Ask in a thread of its own; whoever asked may have gone on when the answer comes."""
        self.is_busy = True
        thread = Thread(target=self._ask, args=(note, prover, answers), daemon=True)
        try:
            thread.start()
        except RuntimeError:  # the system has none left
            self.is_busy = False
            answers.put(_Answer(self.label, why="there is no thread to ask it with"))

    def _ask(self, note: Note, prover: Prover, answers: SimpleQueue[_Answer]) -> None:
        answer = _Answer(self.label, why="asking it broke down")
        try:
            answer = self._answer(note, prover)
        finally:
            self._remember(answer)
            self.is_busy = False
            answers.put(answer)

    def close(self) -> None:
        if not self.is_busy:
            self._contact.close()

    def _answer(self, note: Note, prover: Prover) -> _Answer:
        try:
            return _Answer(self.label, self._contact.ask(note, prover))
        except DomicileError as error:
            if isinstance(error, EvidenceError):
                self.said = error.failed
            return _Answer(self.label, why=error.failed)

    def _remember(self, answer: _Answer) -> None:
        if answer.lines:
            self._backoff_s, self._not_before = _BACKOFF_S[0], self._clock()
        else:
            self._not_before = self._clock() + self._backoff_s
            self._backoff_s = min(2 * self._backoff_s, _BACKOFF_S[1])


class Witnesses:
    """A `Cosigner` that asks the witnesses of a quorum. One checkpoint at a time."""

    def __init__(
        self,
        quorum: Quorum,
        *,
        timeout_s: float = _TIMEOUT_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """timeout_s: for one checkpoint. Raises UsageError where an address is none."""
        if not 0 <= quorum.needed <= len(quorum.witnesses):
            raise UsageError(
                f"{quorum.needed} of {len(quorum.witnesses)} witnesses cannot co-sign",
                expected="at most as many cosignatures as there are witnesses",
                next_step="name more witnesses, or ask for fewer cosignatures",
            )
        self._quorum, self._timeout_s = quorum, timeout_s
        self._asked = [_Asked(witness, timeout_s, clock) for witness in quorum.witnesses]
        self._notices: dict[str, None] = {}

    @property
    def notices(self) -> tuple[str, ...]:
        """What the operator and an auditor should know, in plain sentences, each once; the first
        hundred of them."""
        for asked in self._asked:
            if asked.said:
                self._notice(f"witness {asked.label}: {asked.said}")
        return tuple(self._notices)

    def close(self) -> None:
        """Hang up."""
        for asked in self._asked:
            asked.close()

    def cosign(self, note: Note, prover: Prover) -> Note:
        """The checkpoint with the lines of whoever co-signed it. Raises NotCosigned where those are
        fewer than must and nothing may be published without them."""
        chosen = self._choose()
        answers: SimpleQueue[_Answer] = SimpleQueue()
        for asked in chosen:
            asked.begin(note, prover, answers)
        came = self._collect(answers, len(chosen))
        signed = [answer for answer in came if answer.lines]
        if len(signed) < self._quorum.needed:
            self._too_few(len(signed), came)
        lines = (line for answer in sorted(signed, key=_label) for line in answer.lines)
        return Note(note.text, (*note.signatures, *lines))

    def _choose(self) -> list[_Asked]:
        ready = [asked for asked in self._asked if asked.is_ready]
        if len(ready) >= self._quorum.needed or self._quorum.away == "publish":
            return ready
        return [asked for asked in self._asked if not asked.is_busy]

    def _collect(self, answers: SimpleQueue[_Answer], count: int) -> list[_Answer]:
        """The answers of ``count`` witnesses, as far as they come in time."""
        came: list[_Answer] = []
        deadline = time.monotonic() + self._timeout_s + _MOMENT_S
        while len(came) < count:
            if sum(bool(answer.lines) for answer in came) >= self._quorum.needed:
                deadline = min(deadline, time.monotonic() + _MOMENT_S)
            try:
                came.append(answers.get(timeout=max(deadline - time.monotonic(), 0)))
            except Empty:
                break
        return came

    def _too_few(self, signed: int, came: Sequence[_Answer]) -> None:
        """Say it, or raise it."""
        whys = {answer.label: answer.why for answer in came if not answer.lines}
        for asked in self._asked:
            if asked.label not in {answer.label for answer in came}:
                whys[asked.label] = "no answer in time" if asked.is_busy else "it failed just now"
        listed = "; ".join(f"{label}: {why}" for label, why in sorted(whys.items()))
        number = f"{signed} of the {self._quorum.needed} witnesses that must co-sign did"
        if self._quorum.away == "publish":
            self._notice(f"a checkpoint was published though only {number} ({listed})")
            return
        raise NotCosigned(
            f"{number} ({listed})",
            expected="the cosignatures that the charter asks for",
            next_step="see why these witnesses are away; what is recorded is published as soon as"
            " enough of them answer",
        )

    def _notice(self, sentence: str) -> None:
        if len(self._notices) < _MOST_NOTICES:
            self._notices[sentence] = None


def _label(answer: _Answer) -> str:
    return answer.label
