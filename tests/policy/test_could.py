"""Who could see a dataset at a time: by the grants of then and the policy of then."""

from __future__ import annotations

import json

from domicile.charter import Boundary
from domicile.ledger import Body
from domicile.policy.could import Could, Then, who_could
from domicile.policy.decisions import Engine
from domicile.policy.desk import now_text
from domicile.policy.texts import PolicyText, built_in
from tests.policy.office import answered, asked_for, at, changed, hired, office, person, took
from tests.policy.precinct import Precinct

BOUNDARY = Boundary(members=("US",), custodian="C", provider="P", home=("h",))
NOBODY = '@id("nobody")\nforbid (principal, action, resource);\n'


def could(
    minutes: int,
    *entries: tuple[int, Body],
    policy: str | None = None,
    staff: str | None = None,
) -> list[Could]:
    standing = office()
    known = [(m, body) for m, body in entries if m <= minutes]
    assert took(standing, *known) == [None] * len(known)
    engine = Engine(PolicyText.parse(built_in() if policy is None else policy))
    then = Then(at(minutes), standing, engine)
    return list(who_could(then, BOUNDARY, ("protected",), "videos", staff))


def test_a_grant_lets_its_holder_while_it_lives_and_no_other_time() -> None:
    entries = (
        (1, asked_for(1, "kim", 10, 100)),
        (2, answered(1, "ann")),
        (5, answered(1, "bo")),
        (50, changed(1, "bo")),
    )
    for minutes, holds in ((3, False), (5, False), (9, False), (10, True), (49, True), (50, False)):
        found = could(minutes, *entries)
        assert [(one.staff, one.allowed) for one in found] == [("kim", True)] * holds
    assert [one.staff for one in could(100, *entries[:3])] == []
    (one,) = could(20, *entries)
    assert "under r-" in one.sentence
    assert "approved by ann, bo" in one.sentence
    assert could(20, *entries, staff="lee") == []


def test_a_grant_that_the_policy_of_then_did_not_honour_is_told_as_such() -> None:
    entries = ((1, asked_for(1, "kim", 2, 100)), (2, answered(1, "ann")), (3, answered(1, "bo")))
    (one,) = could(4, *entries, policy=NOBODY)
    assert (one.staff, one.allowed) == ("kim", False)
    assert "though denied by nobody" in one.sentence


def test_the_home_team_could_for_its_own_purposes_and_whoever_ended_could_not() -> None:
    entries = (
        (1, hired(person("cy", roles=("moderation", "legal")))),
        (9, hired(person("cy", roles=("moderation", "legal"), status="ended"))),
    )
    (one,) = could(5, *entries)
    assert (one.staff, one.request, one.purposes) == ("cy", "", ("moderation", "legal"))
    assert one.actions == ("read", "list", "write")
    assert "allowed by home-team" in one.sentence
    assert could(9, *entries) == []


def test_the_policy_of_then_is_asked_not_that_of_now(precinct: Precinct) -> None:
    before = now_text()
    words = ("access", "history", "--dataset", "drafts", "--at")
    precinct.enact(NOBODY, "strict")

    def staff(time: str) -> list[str]:
        told = json.loads(precinct.run(*words, time, "--json").stdout)
        assert told["at"] == time
        return [one["staff"] for one in told["could"]]

    assert staff(before) == ["cy"]
    assert staff(now_text()) == []
    assert staff("2020-01-01T00:00:00.000Z") == []  # no policy was in force
    shown = precinct.run(*words, before, "--staff", "cy").stdout
    assert "cy            read, list, write for moderation from inside" in shown
    assert "did:\nnothing" in shown
    assert "one dataset at a time" in precinct.refused("access", "history", "--at", before)
