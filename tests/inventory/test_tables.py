from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from psycopg import sql

from domicile.charter import TableDataset
from domicile.inventory import DatabaseRules, TableRules, dataset_name, identity, rules_for
from domicile.sites.postgres import NotExamined, TableName
from tests.inventory.databases import Session, column, member_database
from tests.people.catalogues import charter, database, refers, table
from tests.people.catalogues import column as a_column
from tests.services.postgres import PostgresServer

OWNER = refers("videos(owner)", "users(id)")
ABOUT = refers("comments(video)", "videos(id)")


def public(name: str) -> TableName:
    return TableName("public", name)


def test_a_row_is_named_by_its_primary_key_or_by_a_unique_key_without_nulls() -> None:
    one, two = a_column("p", not_null=True), a_column("q")
    assert identity(table("t", one, two, unique=(("p",),))) == ("id",)
    keyless = table("t", one, two, key=(), unique=(("q",), ("p", "q"), ("p",)))
    assert identity(keyless) == ("p",)
    assert identity(replace(keyless, unique=(("q",), ("p", "q")))) == ()
    assert identity(replace(keyless, unique=())) == ()


def rules(datasets: dict[str, TableDataset], *extra: str) -> DatabaseRules:
    return rules_for(
        charter(datasets), database(["users", "videos", "comments", *extra], [OWNER, ABOUT])
    )


def test_tables_that_the_charter_does_not_name_are_protected() -> None:
    found = rules({})
    assert [one.table.name.name for one in found.protected] == ["comments", "users", "videos"]
    assert found.tables[public("videos")].dataset == "videos"
    assert not found.undecided


def test_a_table_that_leads_to_nobody_is_undecided_until_it_is_public() -> None:
    assert set(rules({}, "countries").undecided) == {public("countries")}
    protected = TableDataset(table="countries", classification="protected")
    assert set(rules({"land": protected}, "countries").undecided) == {public("countries")}
    found = rules({"land": TableDataset(table="countries", classification="public")}, "countries")
    countries = found.tables[public("countries")]
    assert (countries.whole, countries.protected, countries.dataset) == (True, False, "land")
    assert countries.projection.removed == ()
    assert not found.undecided


@pytest.mark.parametrize("classification", ["public", "excepted"])
def test_a_public_or_excepted_table_of_persons_is_not_protected(classification: str) -> None:
    found = rules({"clips": TableDataset(table="videos", classification=classification)})  # type: ignore[arg-type]
    videos = found.tables[public("videos")]
    assert (videos.whole, videos.protected) == (False, False)
    assert videos.projection.removed == ()
    assert [one.table.name.name for one in found.protected] == ["comments", "users"]


def test_public_columns_named_for_a_public_table_bound_its_projection() -> None:
    dataset = TableDataset(table="videos", classification="public", public=("id",))
    assert rules({"clips": dataset}).tables[public("videos")].projection.removed == ("owner",)


def test_relations_that_cannot_be_examined_are_undecided_with_their_reason() -> None:
    plain = database(["users"])
    view = public("digest")
    found = rules_for(charter(), replace(plain, other_relations={view: NotExamined("far", "see")}))
    assert (found.undecided[view].reason, found.undecided[view].next_step) == ("far", "see")
    assert view not in found.tables


def test_referrers_are_the_keys_into_a_table() -> None:
    found = rules({})
    assert found.tables[public("videos")].referrers == (ABOUT,)
    assert found.tables[public("comments")].referrers == ()
    assert not found.tables[public("comments")].reducible
    assert found.tables[public("videos")].reducible


def test_a_dataset_goes_by_the_charters_name() -> None:
    one = charter({"clips": TableDataset(table="app.videos")})
    assert dataset_name(one, TableName("app", "videos")) == "clips"
    assert dataset_name(one, TableName("public", "videos")) == "videos"
    assert dataset_name(one, TableName("app", "other")) == "app.other"


# Videos 10-13 are a member's; 10 and 12 are bare, 10 and 11 are referred to; 20, 21 are others'.
WORLD = """
CREATE TABLE users (id int PRIMARY KEY, country text);
INSERT INTO users VALUES (1, 'US'), (2, 'DE');
CREATE TABLE videos (id int PRIMARY KEY, owner int NOT NULL REFERENCES users, title text NOT NULL,
    place text);
INSERT INTO videos VALUES (10, 1, 'removed-10', NULL), (11, 1, 'mine', NULL),
    (12, 1, 'removed-12', NULL), (13, 1, 'removed-13', 'here'), (20, 2, 'removed-20', NULL),
    (21, 2, 'theirs', NULL);
CREATE TABLE comments (id int PRIMARY KEY, video int REFERENCES videos,
    author int REFERENCES users);
INSERT INTO comments VALUES (30, 10, 2), (31, 11, 1), (32, 20, 1), (33, NULL, NULL);
"""


@pytest.fixture(scope="module")
def session(postgres18: PostgresServer) -> Iterator[Session]:
    """The world, user 1 a member."""
    with member_database(postgres18, WORLD, charter(), ["1"]) as opened:
        yield opened


def having(session: Session, rules: TableRules, condition: sql.Composable) -> set[object]:
    query = sql.SQL("SELECT id FROM {} AS t WHERE {}").format(
        sql.Identifier("public", rules.table.name.name), condition
    )
    return set(column(session[0], query))


def test_a_members_rows_are_bare_or_not_and_never_both(session: Session) -> None:
    videos = session[1].tables[public("videos")]
    key = session[1].key
    assert having(session, videos, videos.belong(key, "t")) == {10, 11, 12, 13}
    assert having(session, videos, videos.bare(key, "t")) == {10, 12}
    assert having(session, videos, videos.members(key, "t")) == {11, 13}


def test_a_reduced_row_is_bare_and_somebody_refers_to_it(session: Session) -> None:
    videos = session[1].tables[public("videos")]
    assert having(session, videos, videos.referred("t")) == {10, 11, 20}
    assert having(session, videos, videos.reduced("t")) == {10, 20}


def test_rows_that_nobody_can_refer_to_are_never_bare(session: Session) -> None:
    comments = session[1].tables[public("comments")]
    key = session[1].key
    assert having(session, comments, comments.bare(key, "t")) == set()
    assert having(session, comments, comments.reduced("t")) == set()
    assert having(session, comments, comments.members(key, "t")) == {31, 32}


def test_rows_that_would_hold_what_no_key_names_are_undecided() -> None:
    """And what leads over them. Nothing else of the database is: it can be planned."""
    datasets = {
        "boxes": TableDataset(table="boxes", person=("number -> orders.number",)),
        "labels": TableDataset(table="labels", person=("box",)),
        "marks": TableDataset(table="marks", person=("who",)),
    }
    number = a_column("number", not_null=True)
    keys = [
        refers("orders(buyer)", "users(id)"),
        refers("marks(box)", "boxes(id)"),
        refers("marks(who)", "users(id)"),
        refers("labels(box)", "boxes(id)"),
    ]
    others = ("users", "marks", "labels", table("boxes", number))

    def decide(*, keyed: bool) -> DatabaseRules:
        orders = table("orders", "number", "buyer", key=("id",) if keyed else ())
        return rules_for(charter(datasets), database([*others, orders], keys))

    found = decide(keyed=False)
    assert set(found.tables) == {public("users"), public("orders"), public("marks")}
    assert "found through rows of orders, which has neither" in (
        found.undecided[public("boxes")].reason
    )
    assert found.undecided[public("boxes")].next_step == "add a primary key to orders"
    assert found.undecided[public("labels")].next_step == "decide boxes first"
    assert not found.holding
    assert [held.child for held in decide(keyed=True).holding] == [public("boxes")]
    assert not decide(keyed=True).undecided
