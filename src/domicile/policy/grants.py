"""Requests and the grants that they become, each as it stands. Pure.

A request is *open* (perhaps with a question that waits for an answer) until it is approved by
enough, denied or withdrawn, or its end passes. Approved, it is a grant: *scheduled* until its
start, then *active* until its end (*expired*), its caps (*exhausted*) or its revocation. A
break-glass request is a grant from the start, and owes a review. One that extends a grant moves
that one's end, and is no grant of its own.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import msgspec

from domicile.policy.entries import Action, Caps, RequestId, RequestMade

__all__ = ["AccessRequest", "RequestView", "Status", "Wanted", "status", "view"]

Status = Literal[
    "open",
    "question",
    "denied",
    "withdrawn",
    "lapsed",
    "scheduled",
    "active",
    "expired",
    "exhausted",
    "revoked",
    "extended",
]


class Wanted(NamedTuple):
    """What a caller wants to do. single: whether it is about a single person; person: which one,
    by their pseudonym, where that is known."""

    action: Action
    dataset: str
    purpose: str
    ticket: str = ""
    single: bool = False
    person: str | None = None


class AccessRequest(msgspec.Struct):
    """A request, and what became of it. Times are as entries have them, and compare as texts.

    approved_by: whose approvals count, in order. approvals: how many humans' did when it was
    granted. until: the present end. used_items, used_bytes: by accesses that were closed, and what
    open ones may take at most.
    """

    made: RequestMade
    made_at: str
    until: str
    approved_by: list[str] = []
    approvals: int = 0
    granted_at: str = ""
    ended: Literal["", "denied", "withdrawn", "revoked"] = ""
    ended_at: str = ""
    question: bool = False
    reviewed_at: str = ""
    used_items: int = 0
    used_bytes: int = 0
    opened: int = 0

    @property
    def id(self) -> str:
        """The request's name, and its grant's."""
        return self.made.request

    @property
    def owes_review(self) -> bool:
        """Whether glass was broken and nobody has looked at it yet."""
        return self.made.form == "break-glass" and not self.reviewed_at

    def needs(self, approvals: int) -> int:
        """How many must agree, where the rules ask for so many: a single person is looked up by two
        at least."""
        about_one = self.made.person is not None or "look-up-person" in self.made.actions
        return max(approvals, 2) if about_one else approvals

    def left(self) -> Caps:
        """What its caps still let through."""
        caps = self.made.caps
        return Caps(
            None if caps.items is None else max(caps.items - self.used_items, 0),
            None if caps.size_bytes is None else max(caps.size_bytes - self.used_bytes, 0),
        )

    def covers(self, wanted: Wanted) -> bool:
        """Whether such an access is within its scope. A grant with a ticket is for that one, a
        grant about a person for accesses that are known to be about them."""
        made = self.made
        return (
            wanted.action in made.actions
            and wanted.dataset in made.datasets
            and wanted.purpose == made.purpose
            and wanted.ticket in (made.ticket, made.ticket or wanted.ticket)
            and made.person in (None, wanted.person)
        )


class RequestView(msgspec.Struct, frozen=True):
    """A request or grant, as everybody is shown it who may see it. reason: empty where the records
    have it no more. extends: the grant whose end it would move, if any. ends: what was asked for;
    until: its end by now. accesses: how many began. left: what its caps still let through."""

    request: RequestId
    status: str
    form: str
    staff: str
    actions: tuple[str, ...]
    datasets: tuple[str, ...]
    purpose: str
    ticket: str
    about_one_person: bool
    extends: str
    reason: str
    starts: str
    ends: str
    until: str
    approved_by: tuple[str, ...]
    accesses: int
    caps: Caps
    left: Caps
    to_be_reviewed: bool


def view(request: AccessRequest, now: str, reason: str) -> RequestView:
    """A request as it stands at a time."""
    made = request.made
    return RequestView(
        request=request.id,
        status=status(request, now),
        form=made.form,
        staff=made.staff,
        actions=made.actions,
        datasets=made.datasets,
        purpose=made.purpose,
        ticket=made.ticket,
        about_one_person=made.person is not None,
        extends=made.extends or "",
        reason=reason,
        starts=made.starts,
        ends=made.ends,
        until=request.until,
        approved_by=tuple(request.approved_by),
        accesses=request.opened,
        caps=made.caps,
        left=request.left(),
        to_be_reviewed=request.owes_review,
    )


def status(request: AccessRequest, now: str) -> Status:
    """How a request stands at a time, as entries write times."""
    if request.ended:
        return request.ended
    return _of_grant(request, now) if request.granted_at else _of_request(request, now)


def _of_request(request: AccessRequest, now: str) -> Status:
    if now >= request.until:
        return "lapsed"
    return "question" if request.question else "open"


def _of_grant(request: AccessRequest, now: str) -> Status:
    if request.made.extends is not None:
        return "extended"
    if now < request.made.starts:
        return "scheduled"
    if now >= request.until:
        return "expired"
    return "exhausted" if 0 in (request.left().items, request.left().size_bytes) else "active"
