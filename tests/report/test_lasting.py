"""When a site was looked at last, which alarms stand, and what that does to the verdict."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from msgspec import structs

from domicile.erase import Certified, ShardErased
from domicile.erase.past import Past, pasts
from domicile.ledger import Body, Entry, FileDigest
from domicile.report.lasting import read_alarms, read_looks
from domicile.report.verdict import judge
from domicile.scan.entries import DriftFound, Rechecked, ScanFinished, ScanStarted
from tests.report.world import FOUND

START = datetime(2026, 1, 1, tzinfo=UTC)
FILE = FileDigest("runs/one/x", "ab" * 32, 1)
ERASED = ShardErased("one", "rows-1", "old-db", "cd" * 32, 5, 0, 0, 0, "", (FILE,))
DRIFT = DriftFound(
    "two", "us", "old-db", "users", 3, 2, 1, 0, 0, 0, "2026-01-02T00:00:00Z", "ab" * 32
)
SEEN = Rechecked("one", "us", "old-db", 0, 0, 0, ())


def scan(run: str, *, unexamined: int = 0) -> ScanFinished:
    return ScanFinished(run, "us", ("old-db",), 0, 0, unexamined, not unexamined, ())


def told(*bodies: Body) -> list[Entry]:
    """Entries, one a day."""
    began = (ScanStarted("one", "us", "domicile 0", ()), scan("one"), ERASED)
    return [
        Entry(body, START + timedelta(days=day), "ab" * 32)
        for day, body in enumerate((*began, *bodies))
    ]


def look(*bodies: Body, now_day: int = 5, every: int = 30) -> tuple[str, bool, bool]:
    entries = told(*bodies)
    now = START + timedelta(days=now_day)
    (view,) = read_looks(entries, pasts(entries, "us").values(), every, now)
    return view.how, view.overdue, view.absent


def test_what_was_erased_is_absent_only_once_it_was_looked_for_and_not_found() -> None:
    assert look() == ("erase", False, False)
    assert look(SEEN) == ("recheck", False, True)
    assert look(scan("two")) == ("scan", False, True)
    assert look(scan("two", unexamined=1)) == ("scan", False, False)
    assert look(structs.replace(SEEN, unexamined=1)) == ("recheck", False, False)
    assert look(scan("two"), DRIFT) == ("scan", False, False)
    assert look(structs.replace(SEEN, remaining=1), DRIFT, SEEN) == ("recheck", False, False)
    assert look(structs.replace(SEEN, site="elsewhere")) == ("erase", False, False)
    assert look(SEEN, ERASED) == ("erase", False, False)


def test_a_look_is_overdue_when_the_charters_days_have_passed() -> None:
    assert look(every=3, now_day=5) == ("erase", False, False)
    assert look(every=3, now_day=6) == ("erase", True, False)
    assert look(SEEN, every=3, now_day=6) == ("recheck", False, True)


def test_a_standby_s_past_begins_when_it_was_certified_to_hold_nothing() -> None:
    paper = Certified("one", "follower", complete=True, files=(FILE,))
    incomplete = structs.replace(paper, complete=False)
    assert set(pasts(told(incomplete), "us")) == {"old-db"}
    past = pasts(told(incomplete, paper), "us")["follower"]
    assert (past.runs, past.erasures) == (("one",), ())
    assert past.ended == past.certified == START + timedelta(days=4)


def test_of_another_boundary_nothing_is_past() -> None:
    assert pasts(told(), "eu") == {}


def test_an_alarm_stands_until_a_scan_finds_nothing_and_goes_back_to_the_first() -> None:
    assert [a.site for a in read_alarms(told(DRIFT))] == ["old-db"]
    assert [a.site for a in read_alarms(told(DRIFT, SEEN))] == ["old-db"]
    assert read_alarms(told(DRIFT, scan("two"))) == ()
    (again,) = read_alarms(told(DRIFT, scan("two"), DRIFT))
    assert (again.since, again.seen) == ("2026-01-04T00:00:00+00:00", "2026-01-06T00:00:00+00:00")
    (anew,) = read_alarms(told(DRIFT, scan("two"), scan("three"), DRIFT))
    assert anew.since == anew.seen


def test_an_alarm_withdraws_home_and_says_since_when_and_what_was_certified() -> None:
    found = replace(FOUND, alarms=read_alarms(told(DRIFT)))
    verdict = judge(found)
    assert judge(FOUND).word == "home"
    assert verdict.word == "verified"
    (why,) = verdict.lacking
    assert why == (
        "withdrawn since 4 January 2026, 00:00:00 UTC: 3 items of users lie again at old-db,"
        " certified clear on 2 January 2026, 00:00:00 UTC"
    )


def test_an_overdue_look_is_never_green() -> None:
    entries = told(SEEN)
    past: list[Past] = list(pasts(entries, "us").values())
    for day, word in ((33, "home"), (34, "verified")):
        now = START + timedelta(days=day)
        looks = read_looks(entries, past, 30, now)
        assert judge(replace(FOUND, looks=looks)).word == word
    assert "domicile recheck" in judge(replace(FOUND, looks=looks)).lacking[0]
