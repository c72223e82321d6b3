"""Who could: at a time, under a grant that was live, or because the policy then allowed it.

What the policy would have said is asked anew: of each active member of staff, as if they connected
from inside, with a second factor, for each purpose that roles have; of who held a grant, from where
they live. It is no more than that: who could from elsewhere, or to what end else, isn't told.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

import msgspec

from domicile.charter import Boundary
from domicile.policy.decisions import Decision, Engine
from domicile.policy.entries import Action
from domicile.policy.grants import AccessRequest, Wanted, status
from domicile.policy.questions import Caller, ask
from domicile.policy.staff import ROLES, Staff
from domicile.policy.standing import Standing

__all__ = ["Could", "Then", "who_could"]

_ACTIONS: tuple[Action, ...] = ("read", "list", "write", "export", "look-up-person")


class Could(msgspec.Struct, frozen=True):
    """That somebody could. request: the grant that was live; empty where the policy alone let
    them. allowed: whether the policy then let them use it."""

    staff: str
    actions: tuple[str, ...]
    purposes: tuple[str, ...]
    request: str
    allowed: bool
    sentence: str


@dataclass(frozen=True, slots=True)
class Then:
    """How things stood at a time: staff and grants, and the policy; None for none in force."""

    time: str
    standing: Standing
    engine: Engine | None


def who_could(
    then: Then, boundary: Boundary, labels: Iterable[str], dataset: str, staff: str | None
) -> Iterator[Could]:
    """Everybody who could do something with a dataset, those with a grant first. labels: the
    dataset's own, as the charter has them. Nobody could where no policy was in force."""
    if then.engine is None:
        return
    asking = _Asking(then, then.engine, boundary, tuple(labels), dataset)
    for request in then.standing.requests.values():
        if request.made.staff == (staff or request.made.staff) and dataset in request.made.datasets:
            yield from asking.under(request)
    for member in then.standing.staff.values():
        if member.id == (staff or member.id) and member.status == "active":
            yield from asking.without(member)


@dataclass(frozen=True, slots=True)
class _Asking:
    then: Then
    engine: Engine
    boundary: Boundary
    labels: tuple[str, ...]
    dataset: str

    def under(self, request: AccessRequest) -> Iterator[Could]:
        made, standing = request.made, self.then.standing
        member = standing.staff[made.staff]
        if status(request, self.then.time) != "active" or member.status != "active":
            return
        caller = Caller(made.staff, member.country, second_factor=True)
        answers = [self._ask(caller, action, made.purpose, made.ticket) for action in made.actions]
        allowed = any(answer.allowed for answer in answers)
        so = "" if allowed else f", though {answers[0].sentence}"
        approved = ", ".join(request.approved_by) or "nobody: glass was broken"
        sentence = (
            f"{', '.join(made.actions)} for {made.purpose} under {request.id},"
            f" until {request.until}, approved by {approved}{so}"
        )
        yield Could(made.staff, made.actions, (made.purpose,), request.id, allowed, sentence)

    def without(self, member: Staff) -> Iterator[Could]:
        caller = Caller(member.id, self.boundary.members[0], second_factor=True)
        found: dict[tuple[tuple[str, ...], tuple[str, ...]], list[str]] = {}
        for purpose in ROLES:
            allowing = [
                (action, answer.policies)
                for action in _ACTIONS
                if (answer := self._ask(caller, action, purpose, "", alone=True)).allowed
            ]
            if allowing:
                actions = tuple(action for action, _ in allowing)
                policies = tuple(sorted({one for _, each in allowing for one in each}))
                found.setdefault((actions, policies), []).append(purpose)
        for (could, policies), purposes in found.items():
            sentence = (
                f"{', '.join(could)} for {', '.join(purposes)} from inside, allowed by"
                f" {', '.join(policies)}"
            )
            yield Could(member.id, could, tuple(purposes), "", allowed=True, sentence=sentence)

    def _ask(
        self, caller: Caller, action: Action, purpose: str, ticket: str, *, alone: bool = False
    ) -> Decision:
        """What the policy says; ``alone``, as if they held no grant."""
        wanted = Wanted(action, self.dataset, purpose, ticket, single=action == "look-up-person")
        standing = self.then.standing
        if alone:
            standing = msgspec.structs.replace(standing, requests_of={})
        asked, _ = ask(self.boundary, standing, self.labels, caller, wanted, self.then.time)
        minute = int(datetime.fromisoformat(self.then.time).timestamp()) // 60
        return self.engine.decide(asked, minute)
