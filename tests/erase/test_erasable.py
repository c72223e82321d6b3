from __future__ import annotations

from datetime import UTC, datetime

import msgspec
import pytest

from domicile.charter import People, Route
from domicile.erase import Erasable, erasable
from domicile.erase.certify import unproven
from domicile.erase.entries import ShardErased
from domicile.inventory import RunEntries
from domicile.ledger import Body, Entry, FileDigest
from domicile.move import Plan, RowShard, ShardVerified
from domicile.move.plan import Standby

MINE = People(table="users", key=("id",), country="land")
ELSEWHERE = People(table="users", key=("id",), country="id -> homes.who -> land")
SHARDS = tuple(
    RowShard(f"rows-{name}", "members", "public", name, 2, source="old")
    for name in ("homes", "users", "videos")
)
ROUTE = Route("old", "home")
PLAN = Plan(
    "r", "us", "", "", (ROUTE,), None, ("old",), (), SHARDS, (), (), (), (), (), (), (), 0, ()
)


def allowed(people: People, **failed: int) -> Erasable:
    """What may be erased where these shards were verified, with so many failures."""
    return erasable(PLAN, verified((), **failed), "old", people)


def verified(erased: tuple[str, ...], **failed: int) -> RunEntries:
    """These shards verified, with so many failures, and some erased afterwards."""
    bodies: list[Body] = [
        ShardVerified(
            "r",
            f"rows-{name}",
            "home",
            () if failures else ("old",),
            (),
            2 - failures,
            failures,
            (FileDigest(f"verified/{name}", "ab" * 32, 1),),
        )
        for name, failures in failed.items()
    ]
    bodies += [
        ShardErased("r", f"rows-{name}", "old", "ab" * 32, 2, 0, 0, 0, "", ()) for name in erased
    ]
    entries = [Entry(body, datetime(2026, 1, 1, tzinfo=UTC), "ab" * 32) for body in bodies]
    return RunEntries("r", entries)


@pytest.mark.parametrize("users", [{"users": 1}, {}], ids=["failed", "not verified"])
def test_the_table_of_countries_stays_until_every_person_is_proven(users: dict[str, int]) -> None:
    found = allowed(ELSEWHERE, homes=0, videos=0, **users)
    assert found.shards == ("rows-videos",)
    assert set(found.unproven) == {"rows-homes", "rows-users"}
    own = allowed(MINE, homes=0, videos=0, **users)
    assert own.shards == ("rows-homes", "rows-videos")


def test_once_every_person_is_proven_all_may_go() -> None:
    found = allowed(ELSEWHERE, homes=0, users=0, videos=1)
    assert (found.shards, found.unproven) == (("rows-homes", "rows-users"), ("rows-videos",))


def test_a_database_whose_shards_were_not_all_erased_lacks_proof() -> None:
    """As no certificate of it is complete, nor one of a standby of it."""
    all_proven = {"homes": 0, "users": 0, "videos": 0}
    others = ("homes", "videos")
    following = msgspec.structs.replace(PLAN, standbys=(Standby("replica", "old"),))
    for site in ("old", "replica"):
        assert not unproven(following, site, verified(("users", *others), **all_proven))
        assert unproven(following, site, verified(others, **all_proven))
        assert unproven(following, site, verified(others, homes=0, users=1, videos=0))
        assert unproven(following, site, verified(others, homes=0, videos=0))


def test_what_was_not_found_at_a_database_needs_no_erasure_there() -> None:
    plan = msgspec.structs.replace(PLAN, databases=("old", "other"))
    assert not unproven(plan, "other", verified((), homes=0, users=0, videos=0))
    assert unproven(plan, "other", verified((), homes=0, users=1, videos=0))
