from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from itertools import chain
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from psycopg import sql

from domicile.charter import TableDataset
from domicile.inventory import Condition, Run, TableRules, close_references, read_batches
from domicile.move.cutting import (
    Cut,
    cut_bare,
    cut_members,
    cut_projections,
    cut_whole,
)
from domicile.move.plan import RowShard
from domicile.move.queries import in_range, order_by
from domicile.sites.postgres import Connection, TableName
from tests.inventory.databases import Session, column, member_database
from tests.people.catalogues import charter
from tests.services.postgres import PostgresServer

USERS = """
CREATE TABLE users (id int PRIMARY KEY, country text);
INSERT INTO users VALUES (1, 'US'), (2, 'DE');
"""

# Keys of every kind that has an order of its own, and collations that sort unlike bytes.
KEYED = """
CREATE TYPE mood AS ENUM ('zealous', 'calm', 'Ärger', 'a', 'B');
CREATE DOMAIN nick AS varchar(9);
CREATE TABLE texts (k text PRIMARY KEY, who int REFERENCES users);
CREATE TABLE nicks (k nick PRIMARY KEY, who int REFERENCES users);
CREATE TABLE padded (k char(6) PRIMARY KEY, who int REFERENCES users);
CREATE TABLE moods (k mood PRIMARY KEY, who int REFERENCES users);
CREATE TABLE numbers (k bigint PRIMARY KEY, who int REFERENCES users);
CREATE TABLE decimals (k numeric PRIMARY KEY, who int REFERENCES users);
CREATE TABLE floats (k double precision PRIMARY KEY, who int REFERENCES users);
CREATE TABLE times (k timestamptz PRIMARY KEY, who int REFERENCES users);
CREATE TABLE bytes (k bytea PRIMARY KEY, who int REFERENCES users);
CREATE TABLE arrays (k int[] PRIMARY KEY, who int REFERENCES users);
CREATE TABLE documents (k jsonb PRIMARY KEY, who int REFERENCES users);
CREATE TABLE pairs (k text, n int, m mood, PRIMARY KEY (m, k, n), who int REFERENCES users);
CREATE TABLE uniques (k text NOT NULL UNIQUE, who int REFERENCES users);
CREATE TABLE keyless (k text, who int REFERENCES users);
"""
# A server that has ICU sorts words as people do, and may take different ones for equal.
COLLATED = """
CREATE COLLATION loose (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CREATE TABLE sorted (k text COLLATE "und-x-icu" PRIMARY KEY, who int REFERENCES users);
CREATE TABLE loosely (k varchar(9) COLLATE loose PRIMARY KEY, who int REFERENCES users);
CREATE TABLE twofold (k text COLLATE "und-x-icu", n int, PRIMARY KEY (n, k),
    who int REFERENCES users);
"""
WORDS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=4)
ODD_WORDS = WORDS | st.sampled_from(
    ["a", "A", "á", "b", "B", "ab", "a b", "a-b", "'", '"', "\\", ""]
)
MOODS = st.sampled_from(["zealous", "calm", "Ärger", "a", "B"])
INTS = st.integers(-(2**31), 2**31 - 1)
STAMPS = st.datetimes().map(lambda at: at.isoformat() + "+03:30")
DECIMALS = st.decimals(-(10**20), 10**20) | st.just(Decimal("NaN"))
KEYS: dict[str, st.SearchStrategy[tuple[object, ...]]] = {
    "texts": st.tuples(ODD_WORDS),
    "nicks": st.tuples(ODD_WORDS),
    "padded": st.tuples(ODD_WORDS),
    "moods": st.tuples(MOODS),
    "numbers": st.tuples(st.integers(-(2**63), 2**63 - 1)),
    "decimals": st.tuples(DECIMALS),
    "floats": st.tuples(st.floats()),
    "times": st.tuples(STAMPS | st.sampled_from(["infinity", "-infinity", "0044-03-15 BC"])),
    "bytes": st.tuples(st.binary(max_size=4)),
    "arrays": st.tuples(st.lists(INTS, max_size=3)),
    "documents": st.tuples(st.recursive(INTS | ODD_WORDS, st.lists, max_leaves=3).map(json.dumps)),
    "pairs": st.tuples(ODD_WORDS, INTS, MOODS),
    "uniques": st.tuples(ODD_WORDS),
    "keyless": st.tuples(ODD_WORDS),
}


COLLATED_KEYS: dict[str, st.SearchStrategy[tuple[object, ...]]] = {
    "sorted": st.tuples(ODD_WORDS),
    "loosely": st.tuples(ODD_WORDS),
    "twofold": st.tuples(ODD_WORDS, st.integers(0, 1)),
}
COLUMNS = {"pairs": "(k, n, m, who)", "twofold": "(k, n, who)"}


@pytest.fixture(scope="module")
def collated(postgres15: PostgresServer) -> Iterator[Session]:
    """As `keyed`, on a server that has ICU."""
    with member_database(postgres15, USERS + COLLATED, charter(), ["1"]) as session:
        yield session


@pytest.fixture(scope="module")
def keyed(postgres18: PostgresServer) -> Iterator[Session]:
    """Tables with keys of many kinds, empty; user 1 is a member."""
    with member_database(postgres18, USERS + KEYED, charter(), ["1"]) as session:
        yield session


def fill(connection: Connection, table: str, keys: list[tuple[object, ...]]) -> int:
    """Two rows in three are the member's; keys that the table takes for equal are there once."""
    columns = sql.SQL(COLUMNS.get(table, "(k, who)"))
    for number, key in enumerate(keys):
        connection.execute(
            sql.SQL("INSERT INTO {} {} VALUES ({}, {}) ON CONFLICT DO NOTHING").format(
                sql.Identifier("public", table),
                columns,
                sql.SQL(", ").join(map(sql.Literal, key)),
                sql.Literal(2 if number % 3 == 1 else 1),
            )
        )
    count = "SELECT count(*) FROM public.{} WHERE who = 1"
    (rows,) = column(connection, sql.SQL(count).format(sql.Identifier(table)))
    return int(str(rows))


def places(connection: Connection, rules: TableRules, shard: RowShard, who: str) -> list[str]:
    """The rows that a shard's range holds, in its order."""
    query = sql.SQL("SELECT ctid::text FROM {} AS t WHERE {} AND {} ORDER BY {}").format(
        sql.Identifier("public", rules.table.name.name),
        in_range(rules.table, shard, "t"),
        sql.SQL(who),
        order_by(rules.table, "t"),
    )
    return [str(place) for place in column(connection, query)]


@pytest.mark.parametrize("table", KEYS)
def test_shards_partition_the_rows_whatever_the_key(keyed: Session, table: str) -> None:
    check_partition(keyed, table, KEYS[table])


@pytest.mark.parametrize("table", COLLATED_KEYS)
def test_shards_partition_the_rows_whatever_the_collation(collated: Session, table: str) -> None:
    check_partition(collated, table, COLLATED_KEYS[table])


def check_partition(
    session: Session, table: str, keys: st.SearchStrategy[tuple[object, ...]]
) -> None:
    connection, rules = session
    treated = rules.tables[TableName("public", table)]
    whole = RowShard("all", "members", "public", table, 0)

    @settings(max_examples=15, deadline=None)
    @given(st.lists(keys, max_size=14), st.integers(1, 5))
    def check(keys: list[tuple[object, ...]], shard_rows: int) -> None:
        try:
            total = fill(connection, table, keys)
            shards = [
                s
                for s in cut_members(connection, rules, Cut("old_db", shard_rows))
                if s.table == table
            ]
            members = [places(connection, treated, shard, "t.who = 1") for shard in shards]
            assert list(chain(*members)) == places(connection, treated, whole, "t.who = 1")
            assert sum(shard.rows for shard in shards) == total
            if table != "keyless":
                assert all(members)
                assert all(len(rows) <= shard_rows for rows in members)
            if shards:  # others' rows fall into one shard each, too: none is between
                every = [place for s in shards for place in places(connection, treated, s, "true")]
                assert every == places(connection, treated, whole, "true")
        finally:
            connection.rollback()

    check()


@pytest.mark.parametrize(
    ("rows", "shard_rows", "shards"), [(0, 3, 0), (3, 3, 1), (4, 3, 2), (100, 7, 15)]
)
def test_members_rows_are_cut_into_as_few_shards_as_fit(
    keyed: Session, rows: int, shard_rows: int, shards: int
) -> None:
    connection, rules = keyed
    try:
        connection.execute(
            "INSERT INTO public.numbers SELECT n, 1 FROM generate_series(1, %s) n", (rows,)
        )
        connection.execute("INSERT INTO public.numbers SELECT -n, 2 FROM generate_series(1, 50) n")
        cut = [
            s
            for s in cut_members(connection, rules, Cut("old_db", shard_rows))
            if s.table == "numbers"
        ]
        assert len(cut) == shards
        assert sum(shard.rows for shard in cut) == rows
        assert len({shard.id for shard in cut}) == shards
        if cut:
            assert (cut[0].lo, cut[-1].hi) == (None, None)
            assert [s.hi for s in cut[:-1]] == [s.lo for s in cut[1:]]
    finally:
        connection.rollback()


# Videos 1-7 are the member's, of which 1-5 are bare; comments of the member refer to 21-29.
REFERRED = f"""
{USERS}
CREATE TABLE videos (id int PRIMARY KEY, title text, owner int NOT NULL REFERENCES users);
INSERT INTO videos SELECT n, CASE WHEN n > 5 THEN 'mine' END, 1 FROM generate_series(1, 7) n;
INSERT INTO videos SELECT n, 'theirs', 2 FROM generate_series(20, 30) n;
CREATE TABLE comments (id int PRIMARY KEY, video int REFERENCES videos,
    author int REFERENCES users);
INSERT INTO comments SELECT n, n, 1 FROM generate_series(21, 29) n;
INSERT INTO comments SELECT 100 + n, n, 2 FROM generate_series(1, 7) n;
CREATE TABLE countries (code char(2), name text);
INSERT INTO countries VALUES ('US', 'here'), ('DE', 'there');
"""
PUBLIC = charter({"land": TableDataset(table="countries", classification="public")})
VIDEOS = TableName("public", "videos")


@contextmanager
def referring(server: PostgresServer) -> Iterator[Session]:
    with member_database(server, REFERRED, PUBLIC, ["1"]) as session:
        yield session


def keys_of(run: Run, shard: RowShard) -> list[object]:
    return [row["key"] for row in read_batches(run.shard(shard.id))]


def test_bare_and_projected_rows_are_cut_by_their_keys(
    postgres18: PostgresServer, tmp_path: Path
) -> None:
    run = Run(tmp_path, "one")
    with referring(postgres18) as (connection, rules):
        bare = cut_bare(connection, rules, run, Cut("old_db", 2))
        assert [shard.rows for shard in bare] == [2, 2, 1]
        assert list(chain(*(keys_of(run, shard) for shard in bare))) == [
            [str(n)] for n in range(1, 6)
        ]
        members = [
            s for s in cut_members(connection, rules, Cut("old_db", 100)) if s.table == "videos"
        ]
        assert [shard.rows for shard in members] == [2]

        def whose(number: int) -> Condition:
            return lambda alias: sql.SQL("{} = {}").format(
                sql.Identifier(alias, "author" if number == 1 else "owner"), sql.Literal(number)
            )

        closure = close_references(
            connection,
            rules,
            seeds={TableName("public", "comments"): whose(1)},
            candidates={VIDEOS: whose(2)},
        )
        projected = cut_projections(connection, rules, closure, run, Cut("old_db", 4))
        assert [shard.rows for shard in projected] == [4, 4, 1]
        assert list(chain(*(keys_of(run, s) for s in projected))) == [
            [str(n)] for n in range(21, 30)
        ]
        assert all(shard.by_keys for shard in bare + projected)
        whole = cut_whole(connection, rules, Cut("old_db", 4))
        assert [(shard.table, shard.rows) for shard in whole] == [("countries", 2)]
        assert not whole[0].by_keys
        assert not whole[0].erasable


NAMED = st.builds(
    TableName, st.sampled_from(["public", "a", "A"]) | WORDS, WORDS | st.text("aA-_.", max_size=60)
)


@given(st.lists(NAMED, unique_by=str))
def test_every_table_gets_shard_names_of_its_own_that_fit_a_file_system(
    names: list[TableName],
) -> None:
    ids = [Cut("a", 1).id(kind, name, 3) for name in names for kind in ("rows", "bare")]
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(r"[a-z0-9_-]{1,80}", one) for one in ids)


@given(st.sets(st.tuples(st.text("a-", min_size=1, max_size=9), NAMED.filter(str))))
def test_tables_of_several_databases_get_shard_names_of_their_own(
    tables: set[tuple[str, TableName]],
) -> None:
    shown = {(source, str(name)) for source, name in tables}
    ids = {Cut(source, 1, alone=False).id("rows", name, 3) for source, name in tables}
    assert len(ids) == len(shown)
