"""Operations on a root that custodians must approve: checked, and in the ledger, before they begin.

An approval is used up by being recorded: whoever records it first may begin, once. What was begun
with it may go on where it was broken off.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import UTC, datetime
from typing import Literal, NamedTuple, Protocol

from domicile.charter import Custodians
from domicile.custody.entries import OperationApproved, Reason
from domicile.errors import UsageError
from domicile.ledger import Body, time_text
from domicile.ledger.note import Note
from domicile.ledger.proposals import (
    Operation,
    Proposal,
    read_proposal,
    signers_of,
    use_of,
    with_known_signatures,
)

__all__ = ["Act", "Approver", "QuorumApprover"]

_USE_BYTES = 16


class Act(NamedTuple):
    """What is about to be done, as a proposal has it."""

    purpose: Operation
    root: str
    versions: tuple[int, ...]
    reason: Reason | Literal[""] = ""
    sha256: str = ""


class Approver(Protocol):
    """Who lets an operation on a root be done."""

    def approve(self, act: Act) -> None:
        """Return once it may begin, which the ledger says by then. Raises UsageError where the
        custodians did not approve it, or it was done with their approval before."""
        ...


class QuorumApprover:
    """The custodians whom a charter in force names, by what they signed.

    log: the ledger's origin. notes: signed proposals. used: nonces that the ledger has. record_once
    appends an entry under an identity of 16 bytes, and says False where somebody else did.
    """

    def __init__(
        self,
        custodians: Custodians,
        place: tuple[str, str],
        notes: Sequence[Note],
        used: Collection[str],
        record_once: Callable[[Body, bytes], bool],
    ) -> None:
        """place: the ledger's origin, and the boundary."""
        self._custodians, (self._log, self._boundary) = custodians, place
        self._notes, self._used, self._record_once = tuple(notes), set(used), record_once

    def approve(self, act: Act) -> None:
        """See `Approver`. Raises EvidenceError where a custodian's signature is wrong."""
        if act.purpose == "open" and act.reason not in self._custodians.openings:
            return
        note, proposal = self._chosen(act)
        self._used.add(proposal.nonce)
        body = OperationApproved(
            boundary=self._boundary,
            note=note.encode().decode(),
            operation=act.purpose,
            root=act.root,
            versions=act.versions,
            use=secrets.token_hex(_USE_BYTES),
        )
        if not self._record_once(body, use_of(proposal.nonce)):
            raise self._refused(act, "the approval was used before")

    def _chosen(self, act: Act) -> tuple[Note, Proposal]:
        """The first approval that holds."""
        why = "no proposal of it was named"
        for note in self._proposals():
            proposal = read_proposal(note)
            if not self._of(act, proposal).is_about(proposal):
                continue
            names = sorted(signers_of(note, self._custodians))
            if proposal.nonce in self._used:
                why = "the approval was used before"
            elif proposal.until < time_text(datetime.now(UTC)):
                why = f"the proposal ended at {proposal.until}"
            elif len(names) < self._custodians.operations:
                needed = self._custodians.operations
                who = ", ".join(names) or "nobody"
                why = f"{len(names)} of the {needed} custodians who must sign it did ({who})"
            else:
                return note, proposal
        raise self._refused(act, why)

    def _proposals(self) -> Iterator[Note]:
        """Each proposal with everybody's signatures."""
        for text in dict.fromkeys(note.text for note in self._notes):
            same = [note for note in self._notes if note.text == text]
            yield with_known_signatures(same, self._custodians)

    def _of(self, act: Act, like: Proposal) -> Proposal:
        return Proposal(
            purpose=act.purpose,
            log=self._log,
            boundary=self._boundary,
            until=like.until,
            nonce=like.nonce,
            sha256=act.sha256,
            root=act.root,
            versions=act.versions,
            reason=act.reason,
        )

    def _refused(self, act: Act, why: str) -> UsageError:
        versions = "".join(f" --version {version}" for version in act.versions)
        reason = f" --reason {act.reason}" if act.reason else ""
        about = f" --sha256 {act.sha256}" if act.sha256 else ""
        return UsageError(
            f"the custodians did not approve {act.purpose} of {act.root}: {why}",
            expected=f"the signatures of {self._custodians.operations} custodians",
            next_step=f"domicile custody propose {act.purpose} --root {act.root}{versions}{reason}"
            f"{about}, and have them sign it with domicile custody sign",
        )
