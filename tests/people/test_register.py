from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from itertools import permutations
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domicile.charter import People
from domicile.errors import CharterError, EvidenceError
from domicile.inventory import write_parquet
from domicile.people import (
    Membership,
    Register,
    RegisterBuilder,
    person_text,
    read_people,
    schema_for,
)
from domicile.people.register import SCHEMA, Counts
from domicile.sites.postgres import read_database
from tests.inventory.databases import opened
from tests.services.postgres import PostgresServer, fresh_database

PEOPLE = People(
    table="users",
    key=("id",),
    country="country",
    spellings={"United States": "US", "UK": "GB", "": "PR"},
)
MEMBERS = ("US", "PR")

Person = tuple[tuple[str, ...], str | None]


def freeze(
    directory: Path, *sites: Iterable[Person], people: People = PEOPLE
) -> tuple[Path, Path, Counts]:
    """A register of these sites' people: its file, its index, its counts."""
    builder = RegisterBuilder(directory / "cache" / "people.sqlite", people, MEMBERS)
    for site in sites:
        builder.add(site)
    tables, counts = builder.finish()
    write_parquet(directory / "people.parquet", SCHEMA, tables)
    return directory / "people.parquet", directory / "cache" / "people.sqlite", counts


def known(directory: Path, *sites: Iterable[Person]) -> dict[str, Membership]:
    path, index, _ = freeze(directory, *sites)
    with Register(path, index) as register:
        return {person_text(key): member for key, member in register.persons()}


def one(country: str | None) -> list[Person]:
    return [(("7",), country)]


@pytest.mark.parametrize(
    ("countries", "member"),
    [
        (["US"], True),
        (["DE", "US", None], True),
        (["DE", None], False),
        (["DE", "FR"], False),
        ([None, None], None),
        (["removed-7", "US"], True),
        (["removed-7", "DE"], False),
        (["removed-7"], None),
        (["Atlantis", None], None),
    ],
)
def test_a_member_anywhere_is_a_member_whichever_site_comes_first(
    tmp_path: Path, countries: list[str | None], member: Membership
) -> None:
    for order in permutations(countries):
        assert known(tmp_path, *(one(country) for country in order)) == {"7": member}


def test_a_country_beats_none_and_a_members_country_beats_anothers(tmp_path: Path) -> None:
    for order in permutations(["DE", "US", None]):
        path, _, _ = freeze(tmp_path, *(one(country) for country in order))
        assert pq.read_table(path).to_pylist() == [
            {"person": "7", "key": ["7"], "country": "US", "member": True}
        ]


ANY_COUNTRY = st.sampled_from(["US", "PR", "DE", "GB", "Atlantis", None])


@given(st.lists(st.dictionaries(st.integers(1, 6), ANY_COUNTRY), max_size=4))
def test_a_register_of_any_sites_is_what_a_person_would_say(
    sites: list[dict[int, str | None]],
) -> None:
    said: dict[int, set[str]] = {}
    for site in sites:
        for who, country in site.items():
            said.setdefault(who, set()).update({country} - {None, "Atlantis"})  # type: ignore[arg-type]
    expected = {
        str(who): bool(countries & set(MEMBERS)) if countries else None
        for who, countries in said.items()
    }
    with TemporaryDirectory() as directory:
        rows = ([((str(who),), country) for who, country in site.items()] for site in sites)
        path, index, counts = freeze(Path(directory), *rows)
        with Register(path, index) as register:
            assert register.membership(["0", *expected]) == expected
        stored = pq.read_table(path).to_pylist()
    members = list(expected.values())
    assert (counts.persons, counts.members) == (len(members), members.count(True))
    assert counts.unknown == members.count(None)
    assert [row["person"] for row in stored] == sorted(expected)
    for row in stored:
        countries = said[int(row["person"])]
        assert row["country"] in countries if countries else row["country"] is None
        assert row["member"] is None or row["member"] == (row["country"] in MEMBERS)


def test_spellings_are_read_and_what_is_no_country_is_counted(tmp_path: Path) -> None:
    spelled = [" US ", "United States", "", "UK", "us", "USA", "USA", "1A", "ÅL", "removed-8"]
    people: list[Person] = [((str(number),), text) for number, text in enumerate(spelled)]
    people.append((("10",), "x" * 200))
    path, _, counts = freeze(tmp_path, people)
    countries = {row["person"]: row["country"] for row in pq.read_table(path).to_pylist()}
    assert [countries[str(n)] for n in range(4)] == ["US", "US", "PR", "GB"]
    assert {countries[str(n)] for n in range(4, 11)} == {None}
    assert counts.spellings == {"us": 1, "USA": 2, "1A": 1, "ÅL": 1, "x" * 80: 1}


def test_persons_come_out_with_the_parts_of_their_keys(tmp_path: Path) -> None:
    keys = [("a", "1"), ('a","1', ""), ("ü\n", "\\")]
    path, index, _ = freeze(tmp_path, [(key, "US") for key in keys])
    with Register(path, index) as register:
        assert sorted((tuple(key), member) for key, member in register.persons()) == sorted(
            (key, True) for key in keys
        )
        texts = [person_text(key) for key in keys]
        assert register.membership(texts) == dict.fromkeys(texts, True)


def test_a_register_says_of_what_types_its_keys_are(tmp_path: Path) -> None:
    path = tmp_path / "people.parquet"
    write_parquet(path, schema_for(("pg_catalog.text", "pg_catalog.int8")), [])
    with Register(path, tmp_path / "people.sqlite") as register:
        assert register.key_types == ("pg_catalog.text", "pg_catalog.int8")


@given(st.lists(st.tuples(st.text(max_size=4), st.text(max_size=4)), unique=True))
def test_composite_keys_never_share_a_text(keys: list[tuple[str, str]]) -> None:
    assert len({person_text(key) for key in keys}) == len(keys)


def test_many_persons_are_looked_up_at_once_and_strangers_left_out(tmp_path: Path) -> None:
    people: list[Person] = [((str(n),), ("US", "DE", None)[n % 3]) for n in range(1700)]
    path, index, _ = freeze(tmp_path, people)
    with Register(path, index) as register:
        found = register.membership([str(n) for n in range(-5, 1700)])
    assert found == {str(n): (True, False, None)[n % 3] for n in range(1700)}


def test_the_index_is_made_again_from_the_file_alone(tmp_path: Path) -> None:
    path, index, _ = freeze(tmp_path, [(("1",), "US"), (("2",), "DE"), (("3",), None)])
    asked = ["1", "2", "3", "4"]
    with Register(path, index) as register:
        before = register.membership(asked)
    index.unlink()
    index.parent.rmdir()
    with Register(path, index) as register:
        assert register.membership(asked) == before == {"1": True, "2": False, "3": None}
    assert [entry.name for entry in index.parent.iterdir()] == [index.name]


def test_workers_that_make_the_index_at_once_all_see_everybody(tmp_path: Path) -> None:
    people: list[Person] = [((str(n),), "US") for n in range(20_000)]
    path, index, _ = freeze(tmp_path, people)
    asked = [str(n) for n in range(0, 20_000, 40)]

    def look_up(_: int) -> int:
        with Register(path, index) as register:
            return len(register.membership(asked))

    for _ in range(3):
        index.unlink()
        with ThreadPoolExecutor(4) as pool:
            assert list(pool.map(look_up, range(4))) == [len(asked)] * 4


def test_a_builder_forgets_an_index_left_behind(tmp_path: Path) -> None:
    freeze(tmp_path, [(("1",), "US")])
    _, index, counts = freeze(tmp_path, [(("2",), "US")])
    assert counts.persons == 1
    database = sqlite3.connect(index)
    assert database.execute("SELECT person FROM persons").fetchall() == [("2",)]
    database.close()


@pytest.mark.parametrize("damage", ["missing", "cut"])
def test_a_damaged_register_is_broken_evidence(tmp_path: Path, damage: str) -> None:
    path, index, _ = freeze(tmp_path, [(("1",), "US")])
    index.unlink()
    data = path.read_bytes()
    path.unlink()
    if damage == "cut":
        path.write_bytes(data[: len(data) // 2])
    with pytest.raises(EvidenceError, match=r"people\.parquet"):
        Register(path, index)


def test_people_are_read_from_a_database_as_text(postgres18: PostgresServer) -> None:
    people = People(table="Odd.Folk", key=("firm", "no"), country="land")
    with fresh_database(postgres18).connect() as connection:
        connection.execute(
            'CREATE SCHEMA "Odd"; CREATE TABLE "Odd"."Folk" (no int, firm text, land char(4));'
            """ INSERT INTO "Odd"."Folk" VALUES (1, 'a', 'US'), (2, 'ü "', NULL)"""
        )
        found = sorted(read_people(connection, people, read_database(connection)))
        assert found == [(("a", "1"), "US"), (('ü "', "2"), None)]


ADDRESSES = """
CREATE TABLE person (id int PRIMARY KEY, ref text);
INSERT INTO person SELECT n, n FROM generate_series(1, 9) AS n;
CREATE TABLE address (who int, person text, land text);
INSERT INTO address SELECT who, who, land FROM (VALUES (1, 'US'), (2, 'US'), (2, 'U.S.'),
    (3, 'US'), (3, NULL), (4, 'US'), (4, 'DE'), (5, 'US'), (5, 'Atlantis'), (6, NULL),
    (8, 'DE'), (8, 'removed-8'), (99, 'US'), (NULL, 'US'), (9, 'U.S.')) AS a (who, land);
"""


@pytest.mark.parametrize("way", ["id -> address.who", "id -> address.person", "ref -> address.who"])
def test_countries_elsewhere_count_where_they_agree(postgres18: PostgresServer, way: str) -> None:
    people = People(table="person", key=("id",), country=f"{way} -> land", spellings={"U.S.": "US"})
    with opened(postgres18, ADDRESSES) as connection:
        found = list(read_people(connection, people, read_database(connection)))
    assert len(found) == 9
    said = {int(key[0]): country for key, country in found}
    agreed = {1: "US", 3: "US", 8: "DE", 9: "U.S."}
    assert {who: land for who, land in said.items() if who != 2} == {
        who: agreed.get(who) for who in said if who != 2
    }
    assert said[2] in {"US", "U.S."}


def test_where_the_countries_table_is_not_no_country_is_known(postgres18: PostgresServer) -> None:
    people = People(table="person", key=("id",), country="id -> gone.who -> land")
    with opened(postgres18, ADDRESSES) as connection:
        found = list(read_people(connection, people, read_database(connection)))
    assert {country for _, country in found} == {None}


def test_countries_that_cannot_be_compared_are_refused(postgres18: PostgresServer) -> None:
    people = People(table="person", key=("id",), country="id -> address.at -> land")
    script = "ALTER TABLE address ADD at timestamptz"
    with (
        opened(postgres18, ADDRESSES + script) as connection,
        pytest.raises(CharterError, match="cannot be compared exactly"),
    ):
        list(read_people(connection, people, read_database(connection)))
