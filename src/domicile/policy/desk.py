"""The desk: where staff ask, the custodian's approvers answer, and accesses begin and end.

Invariants:
- What changes who may do what is in the ledger, durable, before it takes effect; while the ledger
  takes no entries, nothing is granted and nothing is used.
- How things stand comes from the ledger alone, read from its beginning when the desk opens. The
  state database holds words alone; set back to yesterday, or written to, it brings no revoked
  credential or grant back, and makes none.
- Of two processes that write at once, the ledger's order decides: an entry that a rule forbids
  where it stands counts for nobody.
"""

from __future__ import annotations

import hashlib
from base64 import b32encode
from collections.abc import Iterator
from datetime import UTC, datetime
from secrets import token_bytes
from time import monotonic
from typing import Literal, NoReturn

import msgspec
import sqlalchemy as sa

from domicile.charter import Charter
from domicile.errors import AccessForbidden, EvidenceError
from domicile.inventory import Estate, Evidence
from domicile.ledger import Body, Entry, decode, time_text
from domicile.ledger.note import Note
from domicile.policy.agreements import Agreement, agreement_on, signature_in
from domicile.policy.could import Could, Then, who_could
from domicile.policy.decisions import Decision, Engine
from domicile.policy.entries import (
    AccessClosed,
    AccessDenied,
    AccessOpened,
    AccessRefused,
    Agreed,
    Asked,
    KeylessRulesSet,
    PolicyWritten,
    RulesSet,
)
from domicile.policy.fold import take
from domicile.policy.grants import RequestView, Wanted, view
from domicile.policy.judge import judge
from domicile.policy.questions import Caller, are_rules_of, ask, labels_of, rules_of
from domicile.policy.standing import Standing, forbidden
from domicile.policy.texts import PolicyText
from domicile.state import WORDS, State

__all__ = ["Denied", "Desk", "new_id", "now_text", "words_digest"]

_MARKS = (b'"kind":"access.',)
_ASKED = (b'"kind":"access.opened"', b'"kind":"access.denied"')
_CHARTER = b'"kind":"custody.charter-approved"'
_TEXTS = (b'"kind":"policy.', _CHARTER)
_ID_BYTES = 8
_LONGEST_UNSEEN_S = 0.25


class Denied(AccessForbidden):
    """The policy in force said no; ``decision`` has the whole of it."""

    def __init__(self, decision: Decision) -> None:
        super().__init__(
            f"denied by {', '.join(decision.policies)}: {decision.because}",
            next_step=decision.next_step,
        )
        self.decision = decision


class Desk:
    """A boundary's desk, over its ledger and state."""

    def __init__(self, estate: Estate, evidence: Evidence, state: State) -> None:
        self.boundary = estate.boundary_name
        self.evidence = evidence
        self._estate, self._state = estate, state
        self._fold = Standing(self.boundary)
        self._engine: Engine | None = None
        self._charters: dict[str, Charter | None] = {}
        self._mark: tuple[int, ...] = ()
        self._looked_at = float("-inf")

    @property
    def standing(self) -> Standing:
        """How things stand now: what the ledger has more than was read is read first. Where its
        mark stays the same it is looked at again after a quarter of a second."""
        mark, now = self.evidence.mark(), monotonic()
        if not mark or mark != self._mark or now - self._looked_at > _LONGEST_UNSEEN_S:
            for _ in self._read():
                pass
            self._mark, self._looked_at = mark, now
        return self._fold

    def _read(self) -> Iterator[tuple[Entry, str | None]]:
        """Take what the ledger has more; each entry, and why it does not count, if it does not."""
        for index, data in self.evidence.since(self._fold.size):
            self._fold.size = index
            if any(mark in data for mark in _MARKS):
                entry = decode(data)
                yield entry, self._take(self._fold, entry)
            elif any(mark in data for mark in _TEXTS):
                self._engine = None
                if _CHARTER in data:
                    self.evidence.charter_may_have_changed()
            self._fold.size = index + 1

    def _take(self, fold: Standing, entry: Entry) -> str | None:
        """The next entry of the ledger: why it does not count, if it does not."""
        body = entry.body
        if isinstance(body, RulesSet | KeylessRulesSet) and not self._are_signed(body, entry):
            return "they are not the rules of a charter that took effect"
        return take(fold, time_text(entry.time), body)

    def _are_signed(self, rules: RulesSet | KeylessRulesSet, entry: Entry) -> bool:
        """Whether rules are those of the charter under which they stand, and that took effect."""
        sha256 = entry.charter
        if sha256 not in self._charters:
            self._charters[sha256] = self.evidence.charter_in_effect(sha256, entry.time)
        charter = self._charters[sha256]
        return charter is not None and are_rules_of(rules, charter)

    @property
    def engine(self) -> Engine:
        """The policy in force. Raises AccessForbidden where there is none."""
        if self._engine is not None:
            return self._engine
        sha256 = self.evidence.policy
        if not sha256:
            raise forbidden(
                "no policy is in force: nothing is allowed",
                "domicile policy propose, have the custodians sign it, then domicile policy enact",
            )
        self._engine = Engine(PolicyText.parse(self.evidence.text(PolicyWritten, sha256)))
        return self._engine

    def set_rules(self) -> None:
        """Have the rules of the charter in force in the ledger, before anything rests on them."""
        rules = rules_of(self._estate.charter, self.boundary)
        if self.standing.rules != rules:
            self.record(rules)

    def check(self, body: Body) -> None:
        """Raise AccessForbidden where a rule forbids an entry now."""
        standing = self.standing
        judge(standing, max(now_text(), standing.latest), body)

    def record(self, body: Body) -> None:
        """Append an entry that changes how things stand. Raises AccessForbidden where a rule
        forbids it: then nothing is appended, unless somebody else was quicker."""
        self.check(body)
        self.evidence.record(body)
        for entry, why in self._read():
            if why is not None and entry.body == body:
                raise forbidden(f"it does not count: {why}", "look how things stand, then repeat")

    def decide(
        self, caller: Caller, wanted: Wanted, engine: Engine | None = None
    ) -> tuple[Decision, AccessOpened]:
        """What the policy in force says, or another's ``engine``, and the entry with which such an
        access would begin. Nothing is recorded."""
        standing, moment = self.standing, datetime.now(UTC)
        own = labels_of(self._estate.charter, wanted.dataset)
        asked, grant = ask(self._estate.boundary, standing, own, caller, wanted, time_text(moment))
        engine = engine or self.engine
        decision = engine.decide(asked, int(moment.timestamp()) // 60)
        caps = decision.obligations.within(grant)
        opened = AccessOpened(
            self.boundary,
            engine.text.sha256,
            new_id("a"),
            asked,
            decision.policies,
            caps,
            caller.credential,
            wanted.person,
        )
        return decision, opened

    def open(
        self, caller: Caller, wanted: Wanted, *, job: str = ""
    ) -> tuple[Decision, AccessOpened]:
        """Begin an access: it is in the ledger before this returns. Raises Denied, which is in the
        ledger too; AccessForbidden where it was revoked, or another policy enacted, meanwhile."""
        engine = self._ready(caller, wanted)
        decision, opened = self.decide(caller, wanted, engine)
        if not decision.allowed:
            self._deny(decision, opened)
        opened = msgspec.structs.replace(opened, job=job)
        self.check(opened)
        self.evidence.record(opened, policy=opened.policy)
        self._mark = ()
        counts = opened.access in self.standing.open
        if counts and self._engine is engine:
            return decision, opened
        if counts:
            self.close(opened, AccessClosed(self.boundary, opened.access, 0, 0, "revoked"))
        raise forbidden(
            "the access does not count: it was revoked, or another policy enacted, meanwhile",
            "ask again",
        )

    def _ready(self, caller: Caller, wanted: Wanted) -> Engine:
        """The policy in force, for somebody who may ask it. Raises AccessForbidden, which is in the
        ledger too."""
        try:
            self.standing.member(caller.staff)
        except AccessForbidden:
            self.turn_away(caller.staff, "staff-not-active", caller.credential, wanted)
            raise
        try:
            return self.engine
        except AccessForbidden:
            self.turn_away(caller.staff, "no-policy", caller.credential, wanted)
            raise

    def turn_away(
        self,
        staff: str,
        why: Literal["credential-over", "staff-not-active", "no-policy"],
        credential: str | None,
        wanted: Wanted | None = None,
    ) -> None:
        """Record that somebody known may not even ask the policy."""
        action, dataset = (wanted.action, wanted.dataset) if wanted is not None else (None, None)
        self.evidence.record(AccessRefused(self.boundary, staff, why, credential, action, dataset))

    def _deny(self, decision: Decision, opened: AccessOpened) -> NoReturn:
        denied = AccessDenied(
            self.boundary, opened.policy, opened.asked, decision.policies, opened.person
        )
        self.evidence.record(denied, policy=opened.policy)
        raise Denied(decision)

    def close(self, opened: AccessOpened, ended: AccessClosed) -> None:
        """An access ended: what really went."""
        if ended.access != opened.access:
            raise EvidenceError("an access is closed under another's name")
        self.evidence.record(ended)

    def still(self, opened: AccessOpened) -> bool:
        """Whether an access may go on: it is open, and nothing that it rests on is over or has
        changed, the policy included."""
        standing, asked, now = self.standing, opened.asked, now_text()
        if opened.access not in standing.open or self.evidence.policy != opened.policy:
            return False
        try:
            member = standing.member(asked.staff)
            if opened.credential is not None:
                standing.credential(opened.credential, now)
        except AccessForbidden:
            return False
        facts = member.kind, member.team, member.employer, member.country, member.roles
        told = asked.kind, asked.team, asked.employed_by, asked.home_country, asked.roles
        grant = standing.requests.get(asked.grant)
        return facts == told and (grant is None or not (grant.ended or now >= grant.until))

    def recorded(self) -> Iterator[tuple[Asked, int]]:
        """Every question that was asked in earnest, and the minute since 1970."""
        for _, data in self.evidence.since(0, _ASKED):
            entry = decode(data)
            match entry.body:
                case AccessOpened() | AccessDenied() as body if body.boundary == self.boundary:
                    yield body.asked, int(entry.time.timestamp()) // 60
                case _:
                    pass

    def events(self, start: int = 0) -> Iterator[tuple[int, Entry, str | None]]:
        """Every entry of the desk from this index of the ledger on, with its index and why it does
        not count, if it does not."""
        fold = Standing(self.boundary)
        for index, data in self.evidence.since(0, _MARKS):
            entry = decode(data)
            fold.size = index
            why = self._take(fold, entry)
            if index >= start:
                yield index, entry, why

    def at(self, time: str) -> Then:
        """How things stood at a time: after every entry that is no later."""
        fold = Standing(self.boundary)
        for _, data in self.evidence.since(0, _MARKS):
            entry = decode(data)
            moment = time_text(entry.time)
            if moment > time:
                break
            self._take(fold, entry)
        sha256 = self.evidence.policy_at(time)
        text = self.evidence.text(PolicyWritten, sha256) if sha256 else ""
        return Then(time, fold, Engine(PolicyText.parse(text)) if text else None)

    def could(self, time: str, dataset: str, staff: str | None) -> list[Could]:
        """Who could do something with a dataset at a time."""
        labels = labels_of(self._estate.charter, dataset)
        return list(who_could(self.at(time), self._estate.boundary, labels, dataset, staff))

    def agreement(self, caller: Caller, request_id: str) -> Agreement:
        """What an approver would sign of a request now. Raises AccessForbidden where they may
        not."""
        self.require_may_answer(caller, request_id)
        standing = self.standing
        request = standing.request(request_id)
        standing.may_approve(caller.staff, request)
        assert standing.rules is not None  # noqa: S101 - who may approve is of the rules
        return agreement_on(request, caller.staff, standing.rules)

    def agree(self, caller: Caller, request_id: str, signed: Note) -> None:
        """Record that somebody agrees, with what they signed. Raises AccessForbidden."""
        agreement = self.agreement(caller, request_id)
        rules = self.standing.rules
        key = rules.approvers[caller.staff] if rules is not None else ""
        signature = signature_in(signed, agreement, key)
        self.record(Agreed(self.boundary, request_id, caller.staff, agreement.what, signature))

    def require_may_answer(self, caller: Caller, request_id: str) -> None:
        """Raise Denied where the policy does not let somebody answer a request, or say something
        of a grant that is not theirs: for each of its datasets."""
        request = self.standing.request(request_id)
        for dataset in request.made.datasets:
            decision, opened = self.decide(caller, Wanted("approve", dataset, request.made.purpose))
            if not decision.allowed:
                self._deny(decision, opened)

    def describe(self, request_id: str) -> RequestView:
        """A request or grant as everybody is shown it. Raises Unknown."""
        request = self.standing.request(request_id)
        return view(request, now_text(), self.words(request.made.reason_sha256) or "")

    # Words

    def keep_words(self, text: str) -> str:
        """Keep what somebody wrote; its SHA-256 (hex), which entries name."""
        digest = hashlib.sha256(text.encode())
        with self._state.begin() as connection:
            known = sa.select(WORDS.c.text).where(*_at(WORDS, self.boundary, digest.digest()))
            if connection.execute(known).scalar() is None:
                connection.execute(
                    WORDS.insert().values(boundary=self.boundary, sha256=digest.digest(), text=text)
                )
        return digest.hexdigest()

    def words(self, sha256: str) -> str | None:
        """What somebody wrote, if the records still have it, unchanged."""
        digest = bytes.fromhex(sha256)
        with self._state.begin() as connection:
            query = sa.select(WORDS.c.text).where(*_at(WORDS, self.boundary, digest))
            text = connection.execute(query).scalar()
        same = text is not None and hashlib.sha256(text.encode()).digest() == digest
        return text if same else None


def new_id(letter: str) -> str:
    """A random name: ``a-`` for accesses, ``c-`` for credentials, ``r-`` for requests."""
    return f"{letter}-{b32encode(token_bytes(_ID_BYTES)).decode().rstrip('=').lower()}"


def words_digest(text: str) -> str:
    """The SHA-256 (hex) of what somebody wrote."""
    return hashlib.sha256(text.encode()).hexdigest()


def _at(table: sa.Table, boundary: str, digest: bytes) -> tuple[sa.ColumnElement[bool], ...]:
    return table.c.boundary == boundary, table.c.sha256 == digest


def now_text() -> str:
    """The present, as entries write times."""
    return time_text(datetime.now(UTC))
