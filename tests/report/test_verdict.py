from __future__ import annotations

from dataclasses import replace

import pytest
from msgspec import structs

from domicile.erase import HeldItems
from domicile.report.model import Snapshot
from domicile.report.verdict import Found, judge
from tests.report.world import (
    AFTER,
    BEFORE,
    CERTIFICATES,
    FOUND,
    LEDGER,
    PLAN,
    SHARDS,
    holding,
    scan,
    view,
)


def with_after(*holdings: object) -> Snapshot:
    return structs.replace(AFTER, holdings=(*AFTER.holdings, *holdings))


def test_home_where_nothing_is_lacking() -> None:
    verdict = judge(FOUND)
    assert verdict.word == "home"
    assert verdict.lacking == ()
    assert verdict.reasons == verdict.because != ()


LACKING: dict[str, tuple[Found, str]] = {
    "an object not examined": (
        replace(FOUND, after=with_after(holding("home-media", "", "objects", 0, unexamined=3))),
        "not examined: 3 items",
    ),
    "a relation of unknown size": (
        replace(FOUND, after=with_after(holding("old-db", "view", "rows", 0, unexamined=-1))),
        "not examined",
    ),
    "a finding": (
        replace(FOUND, after=with_after(holding("old-media", "m", "objects", 1))),
        "1 protected item of",
    ),
    "a missing certificate": (
        replace(FOUND, certificates=CERTIFICATES[:1]),
        "old-media has no certificate",
    ),
    "an incomplete certificate": (
        replace(FOUND, certificates=(CERTIFICATES[0], view("old-media", complete=False))),
        "old-media is not complete",
    ),
    "a certificate that somebody else signed": (
        replace(FOUND, certificates=(CERTIFICATES[0], view("old-media", problems=("forged",)))),
        "old-media: forged",
    ),
    "an incomplete certificate of a site where nothing was found": (
        replace(FOUND, certificates=(*CERTIFICATES, view("other", complete=False))),
        "other cannot be relied on",
    ),
    "a ledger with a problem": (
        replace(FOUND, ledger=structs.replace(LEDGER, problems=("x",), problem_count=1)),
        "not sound",
    ),
    "a charter that changed since": (replace(FOUND, charter_sha256="00" * 32), "charter changed"),
    "a site that the charter dropped": (
        replace(FOUND, after=structs.replace(AFTER, sites=AFTER.sites[1:])),
        "old-db was not scanned again",
    ),
    "a site that is home by decree": (
        replace(
            FOUND,
            after=structs.replace(
                AFTER, sites=(structs.replace(AFTER.sites[0], home=True), *AFTER.sites[1:])
            ),
        ),
        "old-db was away",
    ),
    "an item that is held": (
        replace(FOUND, held=(HeldItems("old-media", "m", 1, "legal hold", ""),)),
        "held at old-media: 1 item of m (legal hold), until it is lifted; still there",
    ),
    "no members": (replace(FOUND, after=structs.replace(AFTER, members=0)), "no member at all"),
}


@pytest.mark.parametrize(("found", "reason"), LACKING.values(), ids=LACKING)
def test_kept_from_home_by(found: Found, reason: str) -> None:
    verdict = judge(found)
    assert verdict.word != "home"
    assert len(verdict.lacking) == 1
    assert reason in verdict.lacking[0]


ATTESTED = structs.replace(
    AFTER,
    holdings=(
        *AFTER.holdings,
        structs.replace(holding("old-db", "view", "rows", 0), attested=-1),
    ),
)
BUT_UNEXAMINED = view("old-db", complete=False, lacking=("not examined",))


def test_home_except_for_what_is_attested_where_nothing_else_is_lacking() -> None:
    for paper in (CERTIFICATES[0], BUT_UNEXAMINED):
        verdict = judge(replace(FOUND, after=ATTESTED, certificates=(paper, CERTIFICATES[1])))
        assert verdict.word == "home, except for what is attested"
        assert verdict.lacking == ()
        assert "1 item that nobody examined" in verdict.because[0]


@pytest.mark.parametrize(
    "found",
    [
        replace(FOUND, certificates=(BUT_UNEXAMINED, CERTIFICATES[1])),  # nothing is attested there
        replace(
            FOUND,
            after=ATTESTED,
            certificates=(
                view("old-db", complete=False, lacking=("not examined", "held")),
                CERTIFICATES[1],
            ),
        ),
        replace(
            FOUND,
            after=structs.replace(
                ATTESTED,
                holdings=(
                    *ATTESTED.holdings,
                    holding("old-db", "other", "rows", 0, unexamined=1),
                ),
            ),
        ),
    ],
)
def test_an_attestation_makes_up_for_nothing_but_what_it_is_about(found: Found) -> None:
    verdict = judge(found)
    assert verdict.word == "verified"
    assert verdict.lacking


def test_not_planned_before_a_plan() -> None:
    found = replace(FOUND, after=BEFORE, plan=None, shards=(), certificates=())
    assert judge(found).word == "not planned"


def test_home_without_a_plan_where_a_first_scan_finds_nothing_away() -> None:
    found = replace(FOUND, before=AFTER, plan=None, shards=(), certificates=())
    assert judge(found).word == "home"


def test_planned_until_something_was_copied() -> None:
    shards = tuple(structs.replace(s, copied=None, attempts=0, verified=0) for s in SHARDS)
    found = replace(FOUND, after=BEFORE, shards=shards, certificates=())
    assert judge(found).word == "planned"
    blocked = replace(found, plan=structs.replace(PLAN, blockers=("no home",)))
    assert "the plan is blocked: no home" in judge(blocked).because


def test_planned_where_the_plan_is_empty_and_something_not_examined() -> None:
    after = with_after(holding("old-media", "", "objects", 0, unexamined=1))
    assert (
        judge(replace(FOUND, before=after, after=after, shards=(), certificates=())).word
        == "planned"
    )


@pytest.mark.parametrize(
    "change",
    [{"copied": None, "attempts": 0}, {"attempts": 0}, {"failed": 1}, {"erase_failed": 1}],
    ids=str,
)
def test_running_while_a_shard_is_behind(change: dict[str, object]) -> None:
    shards = (structs.replace(SHARDS[0], **change), SHARDS[1])
    assert judge(replace(FOUND, after=BEFORE, shards=shards, certificates=())).word == "running"


def test_verified_when_every_shard_is_and_the_old_copies_are_still_there() -> None:
    verdict = judge(replace(FOUND, after=BEFORE, certificates=()))
    assert verdict.word == "verified"
    assert any("1,207 protected items" in reason for reason in verdict.lacking)


def test_no_more_than_running_is_said_on_a_ledger_that_is_not_sound() -> None:
    ledger = structs.replace(LEDGER, problems=("x",), problem_count=1)
    assert judge(replace(FOUND, ledger=ledger)).word == "running"


def test_running_again_when_items_appear_after_every_certificate() -> None:
    after = scan("three", holding("old-db", "users", "rows", 2))
    assert judge(replace(FOUND, after=after)).word == "running"
