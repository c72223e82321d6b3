"""Which charter its custodians let take effect, as a ledger's entries tell it. Pure.

Rules:

1. A charter is approved by an entry that holds its proposal with the signatures of enough
   custodians: those that the approved charter before it names, if it names any; else its own, who
   are trusted on first use.
2. A proposal is of this ledger, names the charter that it replaces, is in the ledger before its
   end, and once: its nonce serves no second time.
3. A policy takes effect likewise, by the custodians whom the approved charter names; where it names
   none, nobody can approve one.
4. Under a charter that needs an approval and lacks it, things may be looked at (`READING`), and
   nothing done.

An operation on a root is approved likewise, by the custodians of the approved charter; each
approval allows it once, and without one it is not begun.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from domicile.charter import Custodians, custodians_in
from domicile.errors import CharterError, EvidenceError
from domicile.ledger.note import parse_note
from domicile.ledger.proposals import (
    Approval,
    Need,
    NeedsApproval,
    Proposal,
    read_proposal,
    signers_of,
)
from domicile.ledger.texts import TextPart

__all__ = ["READING", "ApprovalsRead", "InForce", "is_reading"]

READING: Final = ("charter.", "clock.", "custody.charter-approved", "people.", "scan.")
_MOST_TEXT = 1 << 20  # characters; a charter has no more
_MOST_OPEN = 16
_MOST_CHARTERS = 1_000


def is_reading(kind: str) -> bool:
    """Whether entries of a kind may stand under a charter that nobody approved."""
    return kind.startswith(READING)


@dataclass(frozen=True, slots=True)
class InForce:
    """The charter that was approved last: its SHA-256 (hex), and whom it names, if anybody."""

    sha256: str
    custodians: Custodians | None


class ApprovalsRead:
    """Follows approvals through the log of this origin, in bounded memory: what a charter says of
    custodians, if it says anything, and the nonces that were used."""

    def __init__(self, origin: str) -> None:
        self.in_force: InForce | None = None
        self.policy = ""
        """The SHA-256 (hex) of the policy that was approved last; empty for none."""
        self.nonces: set[str] = set()
        self._origin = origin
        self._open: dict[str, list[str]] = {}
        self._named: dict[str, Custodians | str] = {}  # or why that cannot be read
        self._approved: set[str] = set()
        self._allowed: Counter[Need] = Counter()

    def must_sign(self, charter: str) -> Custodians | None:
        """Who must sign for a charter whose text was read; None where it needs nobody. Raises
        EvidenceError where what it says of that cannot be read."""
        if self.in_force is not None and self.in_force.custodians is not None:
            return self.in_force.custodians
        named = self._named.get(charter)
        if isinstance(named, str):
            raise EvidenceError(named)
        if named is None and len(self._named) == _MOST_CHARTERS:
            raise EvidenceError(f"more than {_MOST_CHARTERS:,} charters name custodians")
        return named

    @property
    def signers_of_policies(self) -> Custodians | None:
        """Who must sign for a policy, as many as for a charter; None where nobody can."""
        return self.in_force.custodians if self.in_force is not None else None

    def take_text(self, part: TextPart) -> Iterator[str]:
        """The next part of a text: what is wrong with what it says of custodians is told when it is
        needed, and what is wrong with the parts by `TextsRead`."""
        if part.role != "charter":
            return iter(())
        before = self._open.pop(part.sha256, [])
        parts = [*before, part.text] if part.part else [part.text]
        if len(parts) == part.part + 1 and sum(map(len, parts)) <= _MOST_TEXT:
            if part.is_last:
                self._read_whole(part.sha256, "".join(parts))
            elif len(self._open) < _MOST_OPEN:
                self._open[part.sha256] = parts
        return iter(())

    def _read_whole(self, charter: str, text: str) -> None:
        if sha256(text.encode()).hexdigest() == charter:
            self.read(charter, text)

    def read(self, charter: str, text: str) -> None:
        """The whole text of a charter."""
        named: Custodians | str | None
        try:
            named = custodians_in(text)
        except CharterError as error:
            named = error.failed
        if named is not None and len(self._named) < _MOST_CHARTERS:
            self._named[charter] = named

    def judge(self, time: str, body: Approval | NeedsApproval) -> Iterator[str]:
        """`take` or `begin`."""
        return self.take(time, body) if isinstance(body, Approval) else self.begin(body)

    def take(self, time: str, approval: Approval) -> Iterator[str]:
        """What is wrong with an approval of this time, as sentences without a subject. Where
        nothing is, it holds from now on."""
        try:
            note = parse_note(approval.note.encode())
            proposal = read_proposal(note)
            charter = proposal.sha256 if proposal.purpose == "charter" else ""
            is_policy = proposal.purpose == "policy"
            wanted = self.signers_of_policies if is_policy else self.must_sign(charter)
            wrong = list(self._unfit(time, approval, proposal))
            wrong += self._lacking(wanted, proposal, signers_of(note, wanted) if wanted else ())
        except EvidenceError as error:
            yield f"its approval does not hold: {error.failed}"
            return
        yield from wrong
        if wrong:
            return
        self.nonces.add(proposal.nonce)
        if proposal.purpose == "policy":
            self.policy = proposal.sha256
            return
        if proposal.purpose != "charter":
            self._allowed[_need(proposal)] += 1
            return
        named = self._named.get(charter)
        self.in_force = InForce(charter, named if isinstance(named, Custodians) else None)
        self._approved.add(charter)

    def begin(self, act: NeedsApproval) -> Iterator[str]:
        """What is wrong with an operation that is about to begin; where nothing is, the approval
        that allows it is used up."""
        custodians = self.in_force.custodians if self.in_force is not None else None
        needs = [] if custodians is None else [n for n in act.needs() if _is_ruled(n, custodians)]
        allowed = next((need for need in needs if self._allowed[need]), None)
        if allowed is not None:
            self._allowed[allowed] -= 1
        elif needs and custodians is not None:
            purposes = " or ".join(sorted({need.purpose for need in needs}))
            yield (
                f"it begins {purposes} of {needs[0].root} without the approval of"
                f" {custodians.operations} custodians"
            )

    def is_replaced(self, charter: str) -> bool:
        """Whether another charter was approved since this one was."""
        in_force = self.in_force.sha256 if self.in_force is not None else ""
        return charter in self._approved and charter != in_force

    def unruled(self, kind: str, charter: str) -> str | None:
        """What is wrong with an entry of this kind under this charter, if anything is."""
        if is_reading(kind) or (self.in_force is not None and self.in_force.sha256 == charter):
            return None
        try:
            wanted = self.must_sign(charter)
        except EvidenceError as error:
            return f"it is a {kind} under charter {charter}: {error.failed}"
        if wanted is None or charter in self._approved:
            return None
        return (
            f"it is a {kind} under charter {charter}, which its custodians did not approve:"
            f" {wanted.charter} of them must sign it"
        )

    def _unfit(self, time: str, approval: Approval, proposal: Proposal) -> Iterator[str]:
        if (proposal.log, proposal.boundary) != (self._origin, approval.boundary):
            yield f"its proposal is of boundary {proposal.boundary} and the ledger {proposal.log}"
        if not approval.agrees(proposal):
            yield "it is not what its proposal proposes"
        if proposal.nonce in self.nonces:
            yield "its proposal was approved before"
        if time > proposal.until:
            yield f"its proposal ended at {proposal.until}"
        charter = self.in_force.sha256 if self.in_force is not None else ""
        before = {"charter": charter, "policy": self.policy}.get(proposal.purpose, "")
        if proposal.before != before:
            replaced = proposal.before or "none"
            yield f"its proposal replaces {proposal.purpose} {replaced}, not {before or 'none'}"

    @staticmethod
    def _lacking(
        wanted: Custodians | None, proposal: Proposal, signed: Iterable[str]
    ) -> Iterator[str]:
        names = sorted(signed)
        if wanted is None:
            yield "no charter names custodians who could approve it"
            return
        texts = proposal.purpose in ("charter", "policy")
        needed = wanted.charter if texts else wanted.operations
        if len(names) < needed:
            yield (
                f"{len(names)} of the {needed} custodians who must sign did"
                f" ({', '.join(names) or 'nobody'})"
            )


def _need(proposal: Proposal) -> Need:
    about = proposal.root, proposal.versions, proposal.reason, proposal.sha256
    return Need(proposal.purpose, *about)


def _is_ruled(need: Need, custodians: Custodians) -> bool:
    return need.purpose != "open" or need.reason in custodians.openings
