from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from domicile.charter import ObjectDataset, TableDataset
from domicile.errors import CharterError
from domicile.scan.keys import KeyIndex, named_keys
from tests.inventory.databases import Session, member_database
from tests.people.catalogues import charter
from tests.services.postgres import PostgresServer

WORLD = """
CREATE TABLE users (id int PRIMARY KEY, country text, picture text);
INSERT INTO users VALUES (1, 'US', 'p/1'), (2, 'DE', NULL), (3, 'US', 'p/1');
CREATE TABLE videos (id int PRIMARY KEY, owner int REFERENCES users);
INSERT INTO videos VALUES (10, 1), (11, NULL);
CREATE TABLE files (path text, video int REFERENCES videos);
INSERT INTO files VALUES ('f/10', 10), ('f/11', 11), ('f/none', NULL), (NULL, 10), ('f/10', 10);
CREATE TABLE talks (recording text PRIMARY KEY, a int REFERENCES users,
    b int REFERENCES users);
INSERT INTO talks VALUES ('t/1', 1, 2), ('t/2', 2, NULL);
CREATE TABLE nobodys (path text);
CREATE TABLE clips (path text, video text, data jsonb);
INSERT INTO clips VALUES ('c/1', '10', '{"by": 3}'), ('c/2', '11', '{"by": "03"}'),
    ('c/3', '010', '{"by": true}'), ('c/4', NULL, NULL);
CREATE TABLE takes (LIKE clips); INSERT INTO takes SELECT * FROM clips;
"""
CHARTER = charter(
    {
        "talks": TableDataset(table="talks", person=("a", "b"), persons="any"),
        "clips": TableDataset(table="clips", person=("video -> videos.id",)),
        "takes": TableDataset(table="takes", person=("data#/by",)),
    }
)


@pytest.fixture(scope="module")
def session(postgres18: PostgresServer) -> Iterator[Session]:
    """The world's database."""
    with member_database(postgres18, WORLD, CHARTER, ["1"]) as opened:
        yield opened


def keys(session: Session, key_column: str) -> set[tuple[str, str]]:
    try:
        return set(named_keys(*session, "d", ObjectDataset(key_column=key_column)))
    finally:
        session[0].rollback()


@pytest.mark.parametrize(
    ("key_column", "expected"),
    [
        ("users.picture", {("p/1", "1"), ("p/1", "3")}),
        ("files.path", {("f/10", "1"), ("f/11", ""), ("f/none", "")}),
        ("talks.recording", {("t/1", "1"), ("t/1", "2"), ("t/2", "2"), ("t/2", "")}),
        ("clips.path", {("c/1", "1"), ("c/2", ""), ("c/3", ""), ("c/4", "")}),
        ("takes.path", {("c/1", "3"), ("c/2", "03"), ("c/3", ""), ("c/4", "")}),
        ("elsewhere.path", set()),
    ],
)
def test_a_column_names_keys_and_their_persons(
    session: Session, key_column: str, expected: set[tuple[str, str]]
) -> None:
    assert keys(session, key_column) == expected


@pytest.mark.parametrize("key_column", ["nobodys.path", "files.paht"])
def test_a_column_that_cannot_name_keys_is_the_charters_mistake(
    session: Session, key_column: str
) -> None:
    with pytest.raises(CharterError, match=rf"\[objects\.d\] key_column {key_column}"):
        keys(session, key_column)


def test_the_index_merges_what_databases_say_and_gives_persons_back(tmp_path: Path) -> None:
    index = KeyIndex(tmp_path / "cache" / "keys.sqlite")
    index.add("d", iter([("a", "1"), ("a", "2"), ("a", "1"), ("b", ""), ("c", "")]))
    index.add("d", iter([("a", "2"), ("b", "3")]))
    index.add("other", iter([("a", "9"), ("z", "9")]))
    many = [f"k{number}" for number in range(1200)]
    index.add("d", ((key, key[1:]) for key in many))
    found = {
        key: sorted(who) for key, who in index.persons("d", ["a", "b", "c", "z", *many]).items()
    }
    assert found == {"a": ["1", "2"], "b": ["3"], "c": []} | {key: [key[1:]] for key in many}
    index.close()


def test_an_object_is_one_persons_and_cannot_go_to_each(postgres18: PostgresServer) -> None:
    copies = TableDataset(table="talks", person=("a", "b"), persons="copy")
    with member_database(postgres18, WORLD, charter({"talks": copies}), ["1"]) as session:
        with pytest.raises(CharterError, match="an object can't"):
            keys(session, "talks.recording")
        assert keys(session, "users.picture")
