from __future__ import annotations

from datetime import UTC, datetime

import pytest

from domicile.charter import People, Route
from domicile.erase import Erasable, erasable
from domicile.inventory import RunEntries
from domicile.ledger import Entry, FileDigest
from domicile.move import Plan, RowShard, ShardVerified

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
    bodies = [
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
    entries = [Entry(body, datetime(2026, 1, 1, tzinfo=UTC), "ab" * 32) for body in bodies]
    return erasable(PLAN, RunEntries("r", entries), "old", people)


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
