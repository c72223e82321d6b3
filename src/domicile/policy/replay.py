"""What the desk decided, decided again from the ledger alone, for who verifies it. Pure.

Wrong is:
1. rules of grants that are not those of the charter they stand under;
2. an access that the policy in its entry does not allow, by the policies and with the caps that the
   entry has, or about whose dataset or place the policy was told otherwise than the charter says;
3. that something went through an access that does not count.
Worth a notice is what took more than it might, and what can't be repeated: a charter or policy that
this version does not read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TypeVar

from domicile.charter import Charter, parse_charter
from domicile.errors import CharterError, UsageError
from domicile.ledger import Entry, time_text
from domicile.ledger.texts import TextPart
from domicile.policy.decisions import Decision, Engine
from domicile.policy.entries import (
    AccessClosed,
    AccessOpened,
    KeylessRulesSet,
    PolicyWritten,
    RulesSet,
)
from domicile.policy.fold import COUNTED, take
from domicile.policy.questions import are_rules_of, labels_of
from domicile.policy.standing import Standing
from domicile.policy.texts import PolicyText

__all__ = ["MARKS", "Replay"]

T = TypeVar("T")
MARKS = (b'"kind":"access.', b'"kind":"policy.written"', b'"kind":"charter.in-force"')
"""One of these is in each entry that `Replay.take` must be given."""


class Replay:
    """Takes a log's entries in order. notices: what was found so far that is not wrong in itself.
    accesses: how many were decided again."""

    def __init__(self) -> None:
        self.notices: list[str] = []
        self.accesses = 0
        self._parts: dict[str, list[str]] = {}
        self._charters: dict[str, Charter | None] = {}
        self._engines: dict[str, Engine | None] = {}
        self._standings: dict[str, Standing] = {}
        self._uncounted: dict[str, str] = {}

    def take(self, index: int, entry: Entry) -> Iterator[str]:
        """The next entry: what is wrong with it."""
        body = entry.body
        if isinstance(body, TextPart):
            self._take_text(entry, body)
        elif isinstance(body, COUNTED):
            yield from (f"entry {index}: {why}" for why in self._take_access(index, entry))

    def _take_text(self, entry: Entry, part: TextPart) -> None:
        parts = self._parts.setdefault(part.sha256, []) if part.part else []
        self._parts[part.sha256] = parts
        parts.append(part.text)
        if not part.is_last:
            return
        text = "".join(self._parts.pop(part.sha256))
        if isinstance(part, PolicyWritten):
            self._engines[part.sha256] = self._read(part.sha256, partial(_engine, text), "policy")
        else:
            read = partial(_charter, text, entry)
            self._charters[part.sha256] = self._read(part.sha256, read, "charter")

    def _read(self, sha256: str, read: Callable[[], T], what: str) -> T | None:
        try:
            return read()
        except (CharterError, UsageError) as error:
            self.notices.append(
                f"not examined: what stands under {what} {sha256}, which this version does not"
                f" read ({error.failed})"
            )
            return None

    def _take_access(self, index: int, entry: Entry) -> Iterator[str]:
        body = entry.body
        boundary = getattr(body, "boundary", "")
        standing = self._standings.setdefault(boundary, Standing(boundary))
        opened = standing.open.get(body.access) if isinstance(body, AccessClosed) else None
        why = take(standing, time_text(entry.time), body)
        charter = self._charters.get(entry.charter)
        match body:
            case RulesSet() | KeylessRulesSet():
                if charter is not None and not are_rules_of(body, charter):
                    yield f"the rules of grants are not those of charter {entry.charter}"
            case AccessOpened() if why is not None:
                self._uncounted[body.access] = why
                self.notices.append(f"entry {index}: an access that does not count: {why}")
            case AccessOpened():
                yield from self._decide_again(entry, body, charter)
            case AccessClosed():
                yield from self._close(index, body, opened)
            case _:
                pass

    def _decide_again(
        self, entry: Entry, body: AccessOpened, charter: Charter | None
    ) -> Iterator[str]:
        if charter is not None:
            yield from _misplaced(charter, body)
        engine = self._engines.get(body.policy)
        if engine is None:
            return  # what is missing of it `verify_log` says
        self.accesses += 1
        minute = int(entry.time.timestamp()) // 60
        answers = [engine.decide(body.asked, minute - before) for before in (0, 1)]
        if not any(_is_as_decided(answer, body) for answer in answers):
            yield f"access {body.access} is not what the policy says: {answers[0].sentence}"

    def _close(self, index: int, body: AccessClosed, opened: AccessOpened | None) -> Iterator[str]:
        went = f"{body.items:,} items and {body.size_bytes:,} bytes"
        why = self._uncounted.pop(body.access, None)
        if opened is None:
            if body.items or body.size_bytes:
                yield f"access {body.access} let {went} through, and " + (
                    f"does not count: {why}" if why else "was not open"
                )
            return
        most = opened.caps
        if _exceeds(body.items, most.items) or _exceeds(body.size_bytes, most.size_bytes):
            self.notices.append(
                f"entry {index}: access {body.access} let {went} through, more than it might"
            )


def _charter(text: str, entry: Entry) -> Charter:
    return parse_charter(text, "charter", today=entry.time.date()).charter


def _engine(text: str) -> Engine:
    return Engine(PolicyText.parse(text))


def _misplaced(charter: Charter, body: AccessOpened) -> Iterator[str]:
    asked = body.asked
    if not set(labels_of(charter, asked.dataset)) <= set(asked.labels):
        yield f"access {body.access} leaves out labels that the charter gives {asked.dataset}"
    boundary = charter.boundaries.get(body.boundary)
    if boundary is None or asked.inside != (asked.country in boundary.members):
        yield f"access {body.access} was inside or outside otherwise than the charter says"


def _is_as_decided(answer: Decision, body: AccessOpened) -> bool:
    duty, caps = answer.obligations, body.caps
    return (
        answer.allowed
        and answer.policies == body.policies
        and not _exceeds(caps.items, duty.items)
        and not _exceeds(caps.size_bytes, duty.size_bytes)
    )


def _exceeds(taken: int | None, most: int | None) -> bool:
    """Whether there is a limit, and this is none or beyond it."""
    return most is not None and (taken is None or taken > most)
