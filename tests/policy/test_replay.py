"""What whoever writes to the ledger past the desk can't hide from who verifies it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from domicile.cli.desk import at_the_desk
from domicile.cli.session import Options
from domicile.ledger import Body
from domicile.policy.desk import Denied, Desk, new_id
from domicile.policy.entries import AccessClosed, AccessOpened, Asked, Caps, RulesSet
from domicile.policy.grants import Wanted
from domicile.policy.questions import Caller
from domicile.policy.texts import built_in
from tests.policy.precinct import Precinct
from tests.policy.test_desk import ASK, another_charter, granted

CY, WANTED = Caller("cy", "US"), Wanted("read", "drafts", "moderation")
same: Callable[..., Any] = msgspec.structs.replace


def verified(precinct: Precinct, *, sound: bool) -> tuple[str, str]:
    """What `ledger verify` finds wrong, and what it notices."""
    seen = str(precinct.directory / "seen")  # copies of one log are no roll-back of each other
    done = precinct.run("ledger", "verify", "--json", "--seen", seen, expect=0 if sound else 4)
    found = json.loads(done.stdout)
    return "\n".join(found["problems"]), "\n".join(found["notices"])


def write(precinct: Precinct, make: Callable[[Desk, AccessOpened], list[Body]]) -> None:
    """Append what a function makes of an access that the desk would allow."""
    with at_the_desk(Options(precinct.charter, as_json=False)) as counter:
        desk = counter.desk
        _, allowed = desk.decide(CY, WANTED)
        for body in make(desk, allowed):
            desk.evidence.record(body)


def closed(opened: AccessOpened, items: int) -> AccessClosed:
    return AccessClosed(opened.boundary, opened.access, items, 0, "whole")


def test_what_the_desk_decided_is_so_when_it_is_decided_again(precinct: Precinct) -> None:
    request, shown = granted(precinct, "--items", "9")
    kim, wanted = Caller("kim", "SG"), Wanted("read", "drafts", "engineering")
    with at_the_desk(Options(precinct.charter, as_json=False)) as counter:
        desk = counter.desk
        for caller, what in ((kim, wanted), (CY, WANTED), (kim, wanted)):
            _, opened = desk.open(caller, what)
            desk.close(opened, closed(opened, 3))
        with pytest.raises(Denied):
            desk.open(kim, Wanted("export", "drafts", "engineering"))
    precinct.run("access", "revoke", request, *shown)
    another_charter(precinct, "approvals = 3")
    precinct.run(*ASK, *precinct.showing("kim"))
    precinct.enact('@id("nobody") forbid (principal, action, resource);', "nobody")
    assert "3 accesses were decided again" in verified(precinct, sound=True)[1]


def test_rules_that_are_not_the_charters(precinct: Precinct) -> None:
    def weak(desk: Desk, _: AccessOpened) -> list[Body]:
        assert desk.standing.rules is not None
        rules: RulesSet = same(desk.standing.rules, approvals=1)
        return [rules]

    write(precinct, weak)
    assert "the rules of grants are not those of charter" in verified(precinct, sound=False)[0]


def lie(**facts: object) -> Callable[[AccessOpened], AccessOpened]:
    """An access whose question was another."""

    def told(opened: AccessOpened) -> AccessOpened:
        asked: Asked = same(opened.asked, **facts)
        changed: AccessOpened = same(opened, asked=asked)
        return changed

    return told


@pytest.mark.parametrize(
    ("forged", "problem"),
    [
        (lie(purpose="engineering"), "is not what the policy says: denied by nothing-allows-it"),
        (lambda one: same(one, policies=("granted",)), "is not what the policy says: allowed by"),
        (lie(country="SG"), "was inside or outside otherwise than the charter says"),
        (lie(labels=("public",)), "leaves out labels that the charter gives drafts"),
    ],
)
def test_an_access_that_the_policy_does_not_allow(
    precinct: Precinct, forged: Callable[[AccessOpened], AccessOpened], problem: str
) -> None:
    write(precinct, lambda _, allowed: [forged(allowed), closed(allowed, 1)])
    assert problem in verified(precinct, sound=False)[0]


def test_an_access_with_other_caps_than_the_policys(precinct: Precinct) -> None:
    capped = '@id("some") @items("5") permit (principal, action, resource);'
    precinct.enact(capped, "capped")
    write(precinct, lambda _, allowed: [same(allowed, caps=Caps())])
    assert "is not what the policy says: allowed by some" in verified(precinct, sound=False)[0]


def test_what_went_through_an_access_that_does_not_count(precinct: Precinct) -> None:
    posing = lie(roles=("moderation", "legal"))
    write(precinct, lambda _, allowed: [posing(allowed)])
    notices = verified(precinct, sound=True)[1]
    assert "does not count: cy is not what the policy was told of them" in notices
    write(precinct, lambda _, allowed: [posing(allowed), closed(allowed, 1)])
    problems, _ = verified(precinct, sound=False)
    assert "let 1 items and 0 bytes through, and does not count: cy is not" in problems


def test_what_went_through_an_access_that_nobody_opened(precinct: Precinct) -> None:
    write(precinct, lambda _, one: [closed(same(one, access=new_id("a")), 0)])
    verified(precinct, sound=True)
    write(precinct, lambda _, one: [closed(same(one, access=new_id("a")), 2)])
    assert "through, and was not open" in verified(precinct, sound=False)[0]


def test_more_than_it_might_is_noticed(precinct: Precinct) -> None:
    precinct.enact(
        built_in() + '@id("few") @items("5") permit (principal, action, resource);', "few"
    )
    write(precinct, lambda _, allowed: [allowed, closed(allowed, 6)])
    assert "6 items and 0 bytes through, more than it might" in verified(precinct, sound=True)[1]


def test_who_is_turned_away_before_the_policy_is_asked_is_in_the_ledger(
    precinct: Precinct, tmp_path: Path
) -> None:
    kim = precinct.showing("kim")
    credential = Path(kim[1]).read_text().split("_")[1]
    precinct.run("staff", "revoke", credential)
    assert "was ended" in precinct.refused(*ASK, *kim)
    with at_the_desk(Options(precinct.charter, as_json=False)) as counter:
        wanted = Wanted("read", "drafts", "engineering")
        precinct.run("staff", "restrict", "kim")
        assert counter.desk.standing.staff["kim"].status == "restricted"
        with pytest.raises(Exception, match="kim is restricted"):
            counter.desk.open(Caller("kim", "SG"), wanted)
    told = precinct.run("access", "history", "--staff", "kim").stdout
    assert "was turned away: the credential was over" in told
    assert "was turned away to read drafts: they may nothing now" in told
    wrong = tmp_path / "wrong"
    wrong.touch(mode=0o600)
    wrong.write_text(f"domicile_{credential}_{'a' * 52}")
    before = precinct.run("access", "history").stdout
    precinct.refused(*ASK, "--token-file", str(wrong))  # nobody is known by it
    assert precinct.run("access", "history").stdout == before


def test_one_person_is_looked_up_by_two_wherever_one_approver_is_enough(
    precinct: Precinct,
) -> None:
    another_charter(precinct, "approvals = 1")
    kim = precinct.showing("kim")
    for action, agreed in (("read", 1), ("look-up-person", 2)):
        request = precinct.json(*ASK, "--action", action, *kim)["request"]
        for approver in ("ann", "bo")[:agreed]:
            assert precinct.json("access", "show", request)["status"] == "open"
            precinct.run("access", "approve", request, *precinct.agreeing(approver))
        assert precinct.json("access", "show", request)["status"] == "active"
