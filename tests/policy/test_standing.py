"""How things stand, from entries: each rule, and what it answers to."""

from __future__ import annotations

import msgspec

from domicile.policy.entries import Caps
from domicile.policy.fold import take
from domicile.policy.grants import status
from domicile.policy.staff import Staff
from domicile.policy.standing import Standing
from tests.policy.office import (
    answered,
    asked_for,
    at,
    changed,
    closed,
    ended,
    hired,
    issued,
    name,
    office,
    opened,
    person,
    question,
    rules,
    took,
)


def stands(standing: Standing, number: int, minutes: int) -> str:
    return status(standing.requests[name("r", number)], at(minutes))


def granted(standing: Standing, number: int = 0, staff: str = "kim", **more: object) -> None:
    entries = (
        (1, asked_for(number, staff, 1, 60, **more)),
        (2, answered(number, "ann")),
        (3, answered(number, "bo")),
    )
    assert took(standing, *entries) == [None] * 3


def test_a_request_is_open_until_two_humans_of_the_custodian_agreed() -> None:
    standing = office()
    took(standing, (1, asked_for(0, "kim", 5, 60)))
    assert stands(standing, 0, 1) == "open"
    refused = took(
        standing,
        (2, answered(0, "kim")),
        (2, answered(0, "boss")),
        (2, answered(0, "nobody")),
        (2, answered(0, "ann")),
        (2, answered(0, "ann")),
        (2, answered(0, "ann-2")),
    )
    assert refused == [
        "kim is none of the charter's approvers",
        "boss is no person employed by the custodian",
        "there is no staff member nobody",
        None,
        f"ann approved {name('r', 0)} before",
        f"ann-2 approved {name('r', 0)} before",
    ]
    assert stands(standing, 0, 3) == "open"
    assert took(standing, (3, answered(0, "bo"))) == [None]
    assert [stands(standing, 0, m) for m in (4, 5, 59, 60)] == [
        "scheduled",
        "active",
        "active",
        "expired",
    ]
    assert took(standing, (4, answered(0, "cy"))) == [f"request {name('r', 0)} is scheduled"]


def test_nobody_answers_for_themselves_or_in_their_line_whatever_their_login() -> None:
    standing = office()
    line = hired(
        person("dee", manager="cy"),
        person("dee-2", human="dee"),
        person("cy-2", human="cy"),
    )
    took(standing, (0, line), (1, asked_for(0, "dee-2", 1, 60)), (1, asked_for(1, "cy-2", 1, 60)))
    assert took(standing, (2, answered(0, "cy")), (2, answered(1, "cy"))) == [
        "cy is in the line of dee-2, who asks",
        "cy would approve their own request",
    ]
    above = hired(person("cy", manager="dee"), person("dee", manager="cy"))  # a circle
    assert took(standing, (3, above), (4, answered(0, "cy"))) == [
        None,
        "cy is in the line of dee-2, who asks",
    ]
    assert took(standing, (5, hired(person("bo", manager="dee"))), (6, answered(0, "bo"))) == [
        None,
        "bo is in the line of dee-2, who asks",
    ]


def test_an_approval_counts_only_while_its_approver_may() -> None:
    standing = office()
    took(standing, (1, asked_for(0, "kim", 1, 60)), (2, answered(0, "ann")))
    took(standing, (3, hired(person("ann", status="restricted"))), (4, answered(0, "bo")))
    assert stands(standing, 0, 5) == "open"
    assert took(standing, (5, answered(0, "ann")), (6, answered(0, "cy"))) == [
        "ann is restricted",
        None,
    ]
    assert stands(standing, 0, 7) == "active"
    took(standing, (8, rules("ann")))
    assert stands(standing, 0, 9) == "active"  # it was granted under the rules of its day


def test_a_grant_ends_by_revocation_with_its_holder_and_with_their_employer() -> None:
    for end in (
        changed(0, "kim"),
        changed(0, "cy"),
        changed(0, ""),
        hired(person("kim", "company", "boss", status="restricted")),
        hired(person("kim", "other", "boss")),
    ):
        standing = office()
        granted(standing)
        assert took(standing, (4, opened(0, "kim", 0)), (5, closed(0)), (6, end)) == [None] * 3
        assert stands(standing, 0, 7) == "revoked"
        (why,) = took(standing, (7, opened(1, "kim", 0)))
        assert why is not None
    assert took(standing, (8, changed(0, "lee"))) == [
        f"{name('r', 0)} is revoked: there is nothing to revoke"
    ]


def test_a_stranger_revokes_nothing_and_uses_nobody_elses_grant() -> None:
    standing = office()
    granted(standing)
    assert took(
        standing, (4, changed(0, "lee")), (5, opened(0, "lee", 0)), (6, opened(1, "kim", 0, job=""))
    ) == [
        "lee is neither its holder nor an approver",
        f"there is no grant of lee {name('r', 0)}",
        None,
    ]


def test_what_accesses_may_take_counts_until_they_are_closed() -> None:
    standing = office()
    granted(standing, caps=Caps(items=10))
    assert took(standing, (4, opened(0, "kim", 0, Caps(items=10)))) == [None]
    assert stands(standing, 0, 5) == "exhausted"
    assert took(standing, (5, opened(1, "kim", 0))) == [f"grant {name('r', 0)} is exhausted"]
    assert took(standing, (6, closed(0, items=4))) == [None]
    assert standing.requests[name("r", 0)].left() == Caps(items=6)
    assert stands(standing, 0, 7) == "active"


def test_glass_is_broken_at_once_for_hours_and_not_again_before_its_review() -> None:
    standing = office()
    glass = {"form": "break-glass"}
    took(standing, (1, hired(person("kim-2", "company", human="kim"))))
    assert took(standing, (2, asked_for(0, "kim", 2, 2 + 5 * 60, **glass))) == [
        "a grant that is break-glass lasts 4 hours at most"
    ]
    assert took(standing, (2, asked_for(1, "kim", 2, 60, **glass))) == [None]
    assert stands(standing, 1, 3) == "active"
    again = took(standing, (70, asked_for(2, "kim-2", 70, 90, **glass)))
    assert again == [f"glass that was broken before, {name('r', 1)}, is not reviewed yet"]
    assert took(
        standing, (71, changed(1, "kim", "reviewed")), (72, changed(1, "bo", "reviewed"))
    ) == [
        "kim is none of the charter's approvers",
        None,
    ]
    assert took(standing, (73, asked_for(3, "kim-2", 73, 90, **glass))) == [None]


def test_a_standing_grant_lapses_unless_it_is_reviewed_in_time() -> None:
    day = 24 * 60
    standing = office()
    took(
        standing,
        (1, asked_for(0, "kim", 1, 10 * day, form="standing")),
        (2, answered(0, "ann")),
        (3, answered(0, "bo")),
    )
    assert took(standing, (5 * day, changed(0, "cy", "reviewed"))) == [None]
    assert [stands(standing, 0, m) for m in (14 * day, 15 * day)] == ["active", "expired"]
    assert took(standing, (16 * day, changed(0, "cy", "reviewed"))) == [
        f"{name('r', 0)} is expired"
    ]


def test_an_extension_asks_for_the_same_and_moves_the_end() -> None:
    standing = office()
    granted(standing)
    more = {"extends": name("r", 0)}
    assert took(
        standing,
        (4, asked_for(1, "kim", 4, 120, datasets=("videos", "drafts"), **more)),
        (4, asked_for(2, "lee", 4, 120, **more)),
        (5, asked_for(3, "kim", 5, 120, **more)),
        (6, answered(3, "ann")),
        (7, answered(3, "cy")),
    ) == [
        "an extension asks for the same, longer",
        f"{name('r', 0)} is no grant of lee",
        None,
        None,
        None,
    ]
    assert [stands(standing, 0, m) for m in (60, 119, 120)] == ["active", "active", "expired"]
    assert stands(standing, 3, 60) == "extended"
    assert took(standing, (60, opened(0, "kim", 3))) == [f"grant {name('r', 3)} is extended"]


def test_credentials_expire_end_and_end_with_whoever_holds_them() -> None:
    standing = office()
    took(standing, (1, issued(0, "kim", 60)), (1, issued(1, "kim", 60)), (1, issued(2, "kim", 60)))
    assert took(standing, (1, issued(0, "lee", 60)), (1, issued(3, "kim", 1))) == [
        f"credential {name('c', 0)} is there already",
        "the credential would have expired already",
    ]
    took(standing, (2, ended(0)))
    assert took(standing, (3, opened(0, "kim", None, credential=name("c", 0)))) == [
        f"credential {name('c', 0)} was ended"
    ]
    assert took(standing, (60, opened(1, "kim", None, credential=name("c", 1)))) == [
        f"credential {name('c', 1)} expired at {at(60)}"
    ]
    took(standing, (4, hired(person("kim", "company", status="ended"))))
    assert standing.credentials[name("c", 2)].ended
    assert took(standing, (5, hired(person("kim", "company")))) == ["kim has ended"]


def test_what_a_job_writes_has_the_labels_of_what_it_read() -> None:
    standing = office()
    read = opened(0, "kim", None, job="nightly-1")
    read = msgspec.structs.replace(
        read, asked=msgspec.structs.replace(read.asked, labels=("protected", "user.health"))
    )
    wrote = opened(1, "kim", None, job="nightly-1")
    wrote = msgspec.structs.replace(
        wrote,
        asked=msgspec.structs.replace(
            wrote.asked, action="write", dataset="daily", labels=("public",)
        ),
    )
    took(standing, (1, read), (2, wrote))
    assert standing.labels("daily", ("public",)) == ("protected", "public", "user.health")


def test_how_things_stand_can_be_written_down_and_read_again() -> None:
    standing = office()
    granted(standing)
    took(standing, (4, issued(0, "kim", 60)), (5, opened(0, "kim", 0)))
    data = msgspec.msgpack.encode(standing)
    assert msgspec.msgpack.decode(data, type=Standing) == standing


def test_a_human_is_banned_with_all_their_logins_and_their_approvals_do_not_come_back() -> None:
    standing = office()
    took(standing, (1, asked_for(0, "kim", 1, 60)), (2, answered(0, "ann")))
    took(standing, (3, hired(person("ann", status="restricted"))))
    assert took(standing, (4, answered(0, "ann-2"))) == ["ann-2 is restricted, as ann"]
    took(standing, (5, hired(person("ann"))))
    assert took(standing, (6, answered(0, "bo"))) == [None]
    assert stands(standing, 0, 7) == "open"
    assert took(standing, (8, answered(0, "ann-2"))) == [None]
    assert stands(standing, 0, 9) == "active"
    took(standing, (10, hired(person("kim-2", "company", human="kim", status="ended"))))
    assert stands(standing, 0, 11) == "revoked"


def test_a_login_names_no_human_who_is_anothers_login() -> None:
    standing = office()
    why = took(
        standing,
        (1, hired(person("ann-3", human="ann-2"))),
        (2, hired(person("ann", human="bo"))),
        (3, hired(person("dee", human="dee-2"), person("dee-2", human="cy"))),
        (4, hired(person("eve"), person("eve", status="ended"))),
    )
    assert why == [
        "ann-3 has the human ann-2, a login of ann",
        "ann is the human of other logins, and would have another itself",
        "dee has the human dee-2, a login of cy",
        "a login stands twice in one change",
    ]


def test_who_also_works_for_the_company_approves_nothing() -> None:
    standing = office()
    took(standing, (1, hired(person("cy-2", "company", "boss", human="cy"))))
    took(standing, (2, asked_for(0, "kim", 1, 60)))
    assert took(standing, (3, answered(0, "cy"))) == ["cy is no person employed by the custodian"]


def test_an_application_may_nothing_once_who_answers_for_it_may_nothing() -> None:
    standing = office()
    app = Staff("app", "application", "a-team", "company", "SG", "boss")
    took(standing, (1, hired(app)))
    granted(standing, 0, "app")
    took(standing, (4, hired(person("boss", "company", status="restricted"))))
    assert took(standing, (5, opened(0, "app", 0))) == ["boss, who answers for app, is restricted"]


def test_an_extension_begins_at_once_and_lasts_no_longer_than_a_grant() -> None:
    standing, day = office(), 24 * 60
    granted(standing)
    more = {"extends": name("r", 0)}
    assert took(
        standing,
        (4, asked_for(1, "kim", 20 * day, 24 * day, **more)),
        (4, asked_for(2, "kim", 4, 6 * day, **more)),
    ) == ["an extension begins at once", "a grant that is ordinary lasts 5 days at most"]


def test_an_access_takes_no_more_than_its_grant_has_left() -> None:
    standing = office()
    granted(standing, caps=Caps(items=10))
    less = f"grant {name('r', 0)} has less left than that"
    assert took(
        standing,
        (4, opened(0, "kim", 0, Caps(items=6))),
        (5, opened(1, "kim", 0, Caps(items=6))),
        (6, opened(2, "kim", 0)),
        (7, opened(3, "kim", 0, Caps(items=4))),
    ) == [None, less, less, None]


def test_a_grant_about_one_person_covers_nobody_else() -> None:
    standing = office()
    anna, ben = "p-" + "a" * 26, "p-" + "b" * 25 + "a"
    granted(standing, person=anna)
    access = opened(0, "kim", 0)
    of = {who: msgspec.structs.replace(access, person=who) for who in (anna, ben)}
    not_for_this = f"grant {name('r', 0)} is not for this"
    assert took(standing, (4, access), (5, of[ben]), (6, of[anna])) == [
        not_for_this,
        not_for_this,
        None,
    ]


def test_a_clock_that_goes_back_revives_nothing() -> None:
    standing = office()
    granted(standing)
    assert (
        took(standing, (60, opened(0, "kim", 0)), (59, opened(1, "kim", 0)))
        == [f"grant {name('r', 0)} is expired"] * 2
    )


def test_a_job_that_opened_its_output_first_hands_labels_on_all_the_same() -> None:
    standing = office()
    wrote, read = (opened(number, "kim", None, job="nightly-2") for number in (0, 1))
    asked = msgspec.structs.replace(
        wrote.asked, action="write", dataset="daily", labels=("public",)
    )
    took(standing, (1, msgspec.structs.replace(wrote, asked=asked)))
    took(standing, (2, read))
    assert standing.labels("daily", ("public",)) == ("protected", "public")


def test_an_access_counts_only_with_the_facts_that_stand() -> None:
    standing = office()
    granted(standing)
    read = opened(9, "kim", None, job="nightly-3")
    wrote = msgspec.structs.replace(
        opened(10, "kim", None, job="nightly-3"),
        asked=question("kim", action="write", dataset="videos", labels=("public",)),
    )
    assert took(standing, (4, read), (4, wrote)) == [None, None]
    told = question("kim", 0, approvals=2, labels=("protected", "public"))
    for facts, why in (
        ({"team": "b-team"}, "kim is not what the policy was told of them"),
        ({"home_country": "US"}, "kim is not what the policy was told of them"),
        ({"approvals": 3}, f"grant {name('r', 0)} was approved otherwise"),
        ({"break_glass": True}, f"grant {name('r', 0)} was approved otherwise"),
        ({"labels": ("public",)}, "videos has further labels by now"),
        ({"grant": ""}, "it names no grant that was approved"),
        ({}, None),
    ):
        asked = msgspec.structs.replace(told, **facts)
        body = msgspec.structs.replace(opened(1, "kim", 0), asked=asked)
        assert take(standing, at(5), body) == why, facts


def test_a_grant_about_one_person_is_used_by_who_says_so() -> None:
    standing = office()
    who = "p-" + "a" * 32
    granted(standing, person=who)
    body = msgspec.structs.replace(
        opened(1, "kim", 0), asked=question("kim", 0, approvals=2), person=who
    )
    assert take(standing, at(5), body) == f"grant {name('r', 0)} is about one person"
