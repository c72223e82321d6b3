"""No sequence of requests, approvals, clocks and revocations yields a use outside a live grant.

Beside the real thing runs a small model that knows no status and no entries: sets of humans who
agreed, and one number for when each grant ends."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from domicile.policy.staff import Staff
from tests.policy.office import (
    answered,
    asked_for,
    changed,
    hired,
    office,
    opened,
    person,
    took,
)

HUMAN = {"ann": "ann", "ann-2": "ann", "bo": "bo", "cy": "cy", "kim": "kim", "lee": "lee"}
APPROVERS = ("ann", "ann-2", "bo", "cy")
STAFF = ("kim", "lee", *APPROVERS)
REQUESTS = range(3)

steps = st.lists(
    st.one_of(
        st.tuples(
            st.just("ask"), st.sampled_from(REQUESTS), st.sampled_from(STAFF), st.integers(0, 9)
        ),
        st.tuples(
            st.just("approve"), st.sampled_from(REQUESTS), st.sampled_from(STAFF), st.just(0)
        ),
        st.tuples(st.just("deny"), st.sampled_from(REQUESTS), st.sampled_from(STAFF), st.just(0)),
        st.tuples(
            st.just("revoke"), st.sampled_from(REQUESTS), st.sampled_from(("", *STAFF)), st.just(0)
        ),
        st.tuples(st.just("ban"), st.just(0), st.sampled_from(STAFF), st.just(0)),
        st.tuples(st.just("back"), st.just(0), st.sampled_from(STAFF), st.just(0)),
        st.tuples(st.just("wait"), st.just(0), st.just(""), st.integers(1, 9)),
        st.tuples(st.just("use"), st.sampled_from(REQUESTS), st.sampled_from(STAFF), st.just(0)),
    ),
    max_size=40,
)


class Model:
    """What must be true of a use."""

    def __init__(self) -> None:
        self.now = 10
        self.holder: dict[int, str] = {}
        self.span: dict[int, tuple[int, int]] = {}
        self.agreed: dict[int, list[str]] = {}
        self.live: set[int] = set()
        self.over: set[int] = set()
        self.banned: set[str] = set()

    def ask(self, number: int, staff: str, wait: int) -> None:
        if number not in self.holder and staff not in self.banned:
            self.holder[number] = staff
            self.span[number] = self.now + wait, self.now + wait + 15
            self.agreed[number] = []

    def waits(self, number: int) -> bool:
        asked = number in self.holder and number not in self.live | self.over
        return asked and self.now < self.span[number][1]

    def may(self, number: int, staff: str) -> bool:
        stranger = HUMAN[staff] != HUMAN[self.holder[number]]
        return staff in APPROVERS and staff not in self.banned and stranger

    def approve(self, number: int, staff: str) -> None:
        if not (self.waits(number) and self.may(number, staff)):
            return
        if HUMAN[staff] not in {HUMAN[one] for one in self.agreed[number]}:
            self.agreed[number].append(staff)
            if len([one for one in self.agreed[number] if one not in self.banned]) >= 2:
                self.live.add(number)

    def deny(self, number: int, staff: str) -> None:
        if self.waits(number) and self.may(number, staff):
            self.over.add(number)

    def revoke(self, number: int, staff: str) -> None:
        if number in self.live - self.over and self.now < self.span[number][1]:
            known = staff in APPROVERS and staff not in self.banned
            if not staff or known or (staff == self.holder[number] and staff not in self.banned):
                self.over.add(number)

    def ban(self, staff: str) -> None:
        self.banned.add(staff)
        self.over |= {number for number, holder in self.holder.items() if holder == staff}

    def may_use(self, number: int, staff: str) -> bool:
        if number not in self.live - self.over or staff in self.banned:
            return False
        first, end = self.span[number]
        return self.holder[number] == staff and first <= self.now < end


def with_status(staff: str, status: str) -> Staff:
    employer = "company" if staff in ("kim", "lee") else "custodian"
    human = "ann" if staff == "ann-2" else ""
    manager = "boss" if employer == "company" else ""
    return person(staff, employer, manager, human, status=status)


@settings(max_examples=400, deadline=None)
@given(steps)
def test_no_sequence_yields_a_use_outside_a_live_grant(
    sequence: list[tuple[str, int, str, int]],
) -> None:
    standing, model = office(), Model()
    for use, (verb, number, staff, wait) in enumerate(sequence):
        now = model.now
        if verb == "ask":
            took(standing, (now, asked_for(number, staff, now + wait, now + wait + 15)))
            model.ask(number, staff, wait)
        elif verb == "approve":
            took(standing, (now, answered(number, staff)))
            model.approve(number, staff)
        elif verb == "deny":
            took(standing, (now, answered(number, staff, "denied")))
            model.deny(number, staff)
        elif verb == "revoke":
            took(standing, (now, changed(number, staff)))
            model.revoke(number, staff)
        elif verb == "ban":
            took(standing, (now, hired(with_status(staff, "restricted"))))
            model.ban(staff)
        elif verb == "back":
            took(standing, (now, hired(with_status(staff, "active"))))
            model.banned.discard(staff)
        elif verb == "wait":
            model.now += wait
        else:
            (why,) = took(standing, (now, opened(use, staff, number)))
            assert (why is None) == model.may_use(number, staff), (verb, number, staff, why)
