"""Which of home's large objects follow the source's: asked of real servers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from domicile.errors import SiteRefused
from domicile.move.large_objects import bring_large_objects
from domicile.move.rows import MARKERS_SQL
from domicile.sites.postgres import Connection
from tests.inventory.databases import opened
from tests.services.postgres import PostgresServer

WORLD = """
CREATE TABLE voices (id int PRIMARY KEY, sound oid);
CREATE TABLE others (id int PRIMARY KEY, sound oid);
"""
Two = tuple[Connection, Connection]


@pytest.fixture
def two(postgres15: PostgresServer, postgres18: PostgresServer) -> Iterator[Two]:
    """A source, and a home to which a copy brought a row and its large object."""
    with (
        opened(postgres15, "SELECT lo_from_bytea(77, 'first')") as source,
        opened(postgres18, WORLD + MARKERS_SQL) as home,
    ):
        home.execute("INSERT INTO public.voices VALUES (1, 77)")
        home.execute(
            "INSERT INTO domicile.copies SELECT system_identifier,"
            " pg_current_xact_id()::text::bigint, 'one', 's', 'shared', 'public', 'voices'"
            " FROM pg_control_system()"
        )
        bring_large_objects(source, home, [77])
        home.commit()
        source.execute("SELECT lo_put(77, 0, 'CHANGED')")
        yield source, home


def contents(home: Connection) -> bytes:
    row = home.execute("SELECT lo_get(77)").fetchone()
    assert row
    return bytes(row[0])


def test_what_a_copy_brought_follows_again_and_again(two: Two) -> None:
    source, home = two
    bring_large_objects(source, home, [77])
    assert contents(home) == b"CHANGED"
    source.execute("SELECT lo_put(77, 0, 'AGAIN')")
    bring_large_objects(source, home, [77])
    assert contents(home) == b"AGAINED"


@pytest.mark.parametrize(
    "change",
    [
        "SELECT lo_put(77, 0, 'h')",
        "UPDATE public.voices SET sound = 77",
        "INSERT INTO public.others VALUES (1, 77)",
        "INSERT INTO public.voices VALUES (2, 77)",
        "DELETE FROM domicile.large_objects",
        "UPDATE domicile.copies SET cluster = cluster + 1",
    ],
)
def test_what_home_changed_or_uses_stays(two: Two, change: str) -> None:
    source, home = two
    home.execute(change.encode())
    home.commit()
    before = contents(home)
    with pytest.raises(SiteRefused, match="there is another large object 77"):
        bring_large_objects(source, home, [77])
    home.rollback()
    assert contents(home) == before != b"CHANGED"
