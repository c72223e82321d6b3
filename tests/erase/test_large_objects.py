"""Large objects go with their rows: what changed after it was verified is not erased."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from domicile.charter import TableDataset
from domicile.erase.rows import erase_rows
from domicile.errors import CharterError, SourceChanged
from domicile.move import RowShard, site_digest
from tests.inventory.databases import Session, member_database, opened, rules_of
from tests.people.catalogues import charter
from tests.services.postgres import PostgresServer

VOICES = RowShard("rows-voices-00000", "members", "public", "voices", 2)
SCRIPT = """
CREATE TABLE users (id int PRIMARY KEY, country text);
INSERT INTO users VALUES (1, 'US'), (2, 'NO');
CREATE TABLE voices (id int PRIMARY KEY, owner int REFERENCES users, sound oid);
SELECT lo_from_bytea(11, 'mine'), lo_from_bytea(12, 'both''s'), lo_from_bytea(13, 'another''s');
INSERT INTO voices VALUES (1, 1, 11), (2, 1, 12), (3, 2, 12), (4, 2, 13);
"""
CHARTER = charter({"voices": TableDataset(table="voices", large_objects=("sound",))})


@contextmanager
def voices(server: PostgresServer) -> Iterator[tuple[Session, dict[str, tuple[int, str]]]]:
    """A session, and what verification would have written down."""
    with member_database(server, SCRIPT, CHARTER, ["1"]) as session:
        found = site_digest(session, VOICES)
        session[0].rollback()
        yield session, {VOICES.id: (found.rows, found.sha256)}


def left(session: Session) -> list[int]:
    rows = session[0].execute("SELECT oid::bigint FROM pg_largeobject_metadata ORDER BY 1")
    return [oid for (oid,) in rows]


def test_they_go_with_the_last_row_that_refers_to_them(
    postgres18: PostgresServer, tmp_path: Path
) -> None:
    with voices(postgres18) as (session, verified):
        (done,) = erase_rows(*session, "old", [VOICES], verified, tmp_path / "foreseen")
        assert (done.before, done.erased, done.reduced) == (2, 2, 0)
        assert left(session) == [12, 13]


@pytest.mark.parametrize("change", ["lo_put(11, 0, 'M')", "lo_unlink(12)"])
def test_what_changed_since_it_was_verified_stays(
    postgres18: PostgresServer, tmp_path: Path, change: str
) -> None:
    with voices(postgres18) as (session, verified):
        session[0].execute(f"SELECT {change}".encode())
        session[0].commit()
        before = left(session)
        session[0].commit()
        with pytest.raises(SourceChanged):
            erase_rows(*session, "old", [VOICES], verified, tmp_path / "foreseen")
        assert left(session) == before
        assert session[0].execute("SELECT count(*) FROM public.voices").fetchone() == (4,)


def test_others_contents_are_none_of_ours(postgres18: PostgresServer, tmp_path: Path) -> None:
    with voices(postgres18) as (session, verified):
        session[0].execute("SELECT lo_put(13, 0, 'A')")
        session[0].commit()
        erase_rows(*session, "old", [VOICES], verified, tmp_path / "foreseen")
        assert left(session) == [12, 13]


def test_a_column_of_another_type_names_none(postgres18: PostgresServer) -> None:
    wrong = charter({"voices": TableDataset(table="voices", large_objects=("id",))})
    with (
        opened(postgres18, SCRIPT) as connection,
        pytest.raises(CharterError, match=r"voices.id names large objects, but it is integer"),
    ):
        rules_of(connection, wrong)
