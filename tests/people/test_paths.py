from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domicile.charter import People, TableDataset
from domicile.people import EVERYBODY, PersonPath, attribute_tables, paths_to_people
from domicile.sites.postgres import Database, ForeignKey, TableName
from tests.people.catalogues import charter, column, database, path, refers, table

USERS = TableName("public", "users")
OWNER = refers("videos(owner)", "users(id)")
ABOUT = refers("comments(video)", "videos(id)")
AUTHOR = refers("comments(author)", "users(id)")
SENDER = refers("messages(sender)", "users(id)")
RECIPIENT = refers("messages(recipient)", "users(id)")
REACTS = refers("reactions(message)", "messages(id)")


def named(name: str) -> TableName:
    return TableName.parse(name)


def test_a_persons_own_row_needs_no_hop() -> None:
    found = attribute_tables(charter(), database(["users"]))
    assert found.paths == {USERS: (path("users"),)}
    assert not found.undecided


def test_a_chain_of_keys_is_followed_to_the_person() -> None:
    likes = refers("likes(comment)", "comments(id)")
    found = attribute_tables(
        charter(), database(["users", "videos", "comments", "likes"], [OWNER, ABOUT, likes])
    )
    assert found.paths[named("likes")] == (path("likes", likes, ABOUT, OWNER),)
    assert not found.undecided


def test_the_fewest_hops_count() -> None:
    found = attribute_tables(
        charter(), database(["users", "videos", "comments"], [OWNER, ABOUT, AUTHOR])
    )
    assert found.paths[named("comments")] == (path("comments", AUTHOR),)


def test_two_keys_as_near_are_undecided_and_both_are_named() -> None:
    found = attribute_tables(charter(), database(["users", "messages"], [SENDER, RECIPIENT]))
    undecided = found.undecided[named("messages")]
    assert named("messages") not in found.paths
    assert "2 paths" in undecided.reason
    assert "messages.sender -> users" in undecided.reason
    assert "messages.recipient -> users" in undecided.reason
    assert "`person`" in undecided.next_step
    assert set(found.alternatives[named("messages")]) == {
        path("messages", SENDER),
        path("messages", RECIPIENT),
    }


def test_what_refers_to_an_undecided_table_is_undecided() -> None:
    catalogue = database(["users", "messages", "reactions"], [SENDER, RECIPIENT, REACTS])
    found = attribute_tables(charter(), catalogue)
    assert set(found.undecided) == {named("messages"), named("reactions")}


def test_person_decides_between_keys_and_for_what_refers_to_the_table() -> None:
    catalogue = database(["users", "messages", "reactions"], [SENDER, RECIPIENT, REACTS])
    named_tables = {"messages": TableDataset(table="messages", person=("recipient",))}
    found = attribute_tables(charter(named_tables), catalogue)
    assert found.paths[named("messages")] == (path("messages", RECIPIENT),)
    assert found.paths[named("reactions")] == (path("reactions", REACTS, RECIPIENT),)
    assert found.alternatives[named("messages")] == (path("messages", SENDER),)


def test_person_may_take_the_longer_way() -> None:
    catalogue = database(["users", "videos", "comments"], [OWNER, ABOUT, AUTHOR])
    found = attribute_tables(
        charter({"comments": TableDataset(table="comments", person=("video",))}), catalogue
    )
    assert found.paths[named("comments")] == (path("comments", ABOUT, OWNER),)


def test_owner_takes_the_first_person_and_any_takes_all() -> None:
    catalogue = database(["users", "messages", "reactions"], [SENDER, RECIPIENT, REACTS])
    both = ("recipient", "sender")
    owner = attribute_tables(
        charter({"messages": TableDataset(table="messages", person=both)}), catalogue
    )
    assert owner.paths[named("messages")] == (path("messages", RECIPIENT),)
    anyone = attribute_tables(
        charter({"messages": TableDataset(table="messages", person=both, persons="any")}), catalogue
    )
    assert anyone.paths[named("messages")] == (
        path("messages", RECIPIENT),
        path("messages", SENDER),
    )
    assert anyone.paths[named("reactions")] == (
        path("reactions", REACTS, RECIPIENT),
        path("reactions", REACTS, SENDER),
    )


def test_a_column_without_a_key_holds_the_persons_key_itself() -> None:
    found = attribute_tables(
        charter({"events": TableDataset(table="events", person=("who",))}),
        database(["users", table("events", "who")]),
    )
    assert found.paths[named("events")] == (path("events", ("who", "users(id)")),)
    assert str(found.paths[named("events")][0]) == "events.who ~> users"


def test_a_soft_reference_carries_what_refers_to_its_table() -> None:
    details = refers("details(event)", "events(id)")
    found = attribute_tables(
        charter({"events": TableDataset(table="events", person=("who",))}),
        database(["users", table("events", "who"), "details"], [details]),
    )
    assert found.paths[named("details")] == (path("details", details, ("who", "users(id)")),)


def test_an_arrow_leads_on_from_the_rows_that_hold_the_same() -> None:
    catalogue = database(
        ["users", table("orders", "number", "buyer"), table("lines", "order_no")],
        [refers("orders(buyer)", "users(id)")],
    )
    found = attribute_tables(
        charter({"lines": TableDataset(table="lines", person=("order_no -> orders.number",))}),
        catalogue,
    )
    assert found.paths[named("lines")] == (
        path("lines", ("order_no", "orders(number)"), refers("orders(buyer)", "users(id)")),
    )
    assert str(found.paths[named("lines")][0]) == (
        "lines.order_no ~> orders(number).buyer -> users"
    )


def test_arrows_wait_for_the_tables_they_lead_to() -> None:
    tables = [table("users"), *(table(name, "n", "who") for name in "abc")]
    named_tables = {
        "a": TableDataset(table="a", person=("n -> b.n",)),
        "b": TableDataset(table="b", person=("n -> c.n",)),
        "c": TableDataset(table="c", person=("who",)),
    }
    found = attribute_tables(charter(named_tables), database(tables))
    assert not found.undecided
    assert found.paths[named("a")] == (
        path("a", ("n", "b(n)"), ("n", "c(n)"), ("who", "users(id)")),
    )


@pytest.mark.parametrize(
    ("ways", "said"),
    [
        ({"a": "n -> a.n"}, "in a circle: a -> a"),
        ({"a": "n -> b.n", "b": "n -> c.n", "c": "n -> a.n"}, "in a circle: a -> b -> c -> a"),
        ({"a": "n -> b.n", "b": "n -> c.n", "c": "n -> b.n"}, "in a circle: a -> b -> c -> b"),
        ({"a": "n -> b.n", "b": "n -> c.n"}, "leads to c, from which no foreign key leads"),
        ({"a": "n -> gone.n"}, "leads to gone, which is not there"),
        ({"a": "n -> b.n", "b": "n,who"}, "leads to b, which is undecided: `person` names 2"),
    ],
)
def test_arrows_that_end_at_nobody_are_undecided(ways: dict[str, str], said: str) -> None:
    tables = [table("users"), *(table(name, "n", "who") for name in "abc")]
    named_tables = {name: TableDataset(table=name, person=(way,)) for name, way in ways.items()}
    found = attribute_tables(charter(named_tables), database(tables))
    assert set(found.undecided) == {named(name) for name in "abc"}
    assert said in found.undecided[named("a")].reason


TYPES = {
    name: replace(column("who"), type=name, base_type=f"pg_catalog.{base}")
    for name, base in (
        ("smallint", "int2"),
        ("numeric", "numeric"),
        ("text", "text"),
        ("uuid", "uuid"),
        ("double precision", "float8"),
    )
}


@pytest.mark.parametrize("held", TYPES)
def test_a_soft_reference_is_followed_only_where_types_compare_exactly(held: str) -> None:
    found = attribute_tables(
        charter({"events": TableDataset(table="events", person=("who",))}),
        database(["users", table("events", TYPES[held])]),
    )
    if held == "text":
        hop = found.paths[named("events")][0].hops[0]
        assert (hop.columns, hop.parent_columns, hop.as_text) == (("who",), ("id",), (True,))
    elif held in {"smallint", "numeric"}:
        assert found.paths[named("events")] == (path("events", ("who", "users(id)")),)
    else:
        undecided = found.undecided[named("events")]
        assert f"who is {held}, a person's id is bigint" in undecided.reason
        assert "give who the type bigint" in undecided.next_step


COMPOSITE = People(table="users", key=("tenant", "id"), country="country")
TENANTED = table("users", "country", key=("tenant", "id"))


def test_a_composite_key_is_followed_whatever_the_order_of_its_columns() -> None:
    key = refers("videos(no,firm)", "users(id,tenant)")
    catalogue = database([TENANTED, "videos"], [key])
    plain = attribute_tables(charter(people=COMPOSITE), catalogue)
    by_name = attribute_tables(
        charter({"videos": TableDataset(table="videos", person=("firm,no",))}, people=COMPOSITE),
        catalogue,
    )
    assert plain.paths[named("videos")] == by_name.paths[named("videos")] == (path("videos", key),)


def test_a_composite_soft_reference_names_as_many_columns_as_the_key_has() -> None:
    catalogue = database([TENANTED, table("events", "firm", "who")])

    def attributed(person: str) -> tuple[object, object]:
        dataset = TableDataset(table="events", person=(person,))
        found = attribute_tables(charter({"events": dataset}, people=COMPOSITE), catalogue)
        return found.paths.get(named("events")), found.undecided.get(named("events"))

    paths, _ = attributed("firm,who")
    assert paths == (path("events", ("firm,who", "users(tenant,id)")),)
    paths, undecided = attributed("who")
    assert paths is None
    assert "1 column(s), a person's key has 2" in str(undecided)


def test_a_column_with_two_keys_takes_the_nearer_and_two_as_near_are_undecided() -> None:
    staff = refers("staff(person)", "users(id)")
    to_user, to_staff = refers("events(who)", "users(id)"), refers("events(who)", "staff(id)")
    again = refers("events(who)", "users(id)", name="again")
    datasets = {"events": TableDataset(table="events", person=("who",))}
    nearer = attribute_tables(
        charter(datasets), database(["users", "staff", "events"], [staff, to_user, to_staff])
    )
    assert nearer.paths[named("events")] == (path("events", to_user),)
    twice = attribute_tables(charter(datasets), database(["users", "events"], [to_user, again]))
    assert "2 ways" in twice.undecided[named("events")].reason


def test_a_table_that_refers_to_itself_keeps_its_shortest_path() -> None:
    boss = refers("users(boss)", "users(id)")
    reply = refers("comments(reply_to)", "comments(id)")
    found = attribute_tables(charter(), database(["users", "comments"], [boss, AUTHOR, reply]))
    assert found.paths == {USERS: (path("users"),), named("comments"): (path("comments", AUTHOR),)}


def test_tables_that_refer_to_each_other_in_a_circle_are_walked_once() -> None:
    to_egg = refers("chicken(egg)", "egg(id)")
    to_chicken = refers("egg(chicken)", "chicken(id)")
    lonely = attribute_tables(
        charter(), database(["users", "chicken", "egg"], [to_egg, to_chicken])
    )
    assert set(lonely.undecided) == {named("chicken"), named("egg")}
    owner = refers("egg(owner)", "users(id)")
    owned = attribute_tables(
        charter(), database(["users", "chicken", "egg"], [to_egg, to_chicken, owner])
    )
    assert owned.paths[named("egg")] == (path("egg", owner),)
    assert owned.paths[named("chicken")] == (path("chicken", to_egg, owner),)


def test_a_circle_of_persons_is_undecided() -> None:
    to_b, to_a = refers("a(b)", "b(id)"), refers("b(a)", "a(id)")
    datasets = {
        "a": TableDataset(table="a", person=("b",)),
        "b": TableDataset(table="b", person=("a",)),
    }
    found = attribute_tables(charter(datasets), database(["users", "a", "b"], [to_b, to_a]))
    assert set(found.undecided) == {named("a"), named("b")}


def test_persons_of_persons_are_followed_in_whatever_order_the_charter_has_them() -> None:
    to_b, to_user = refers("a(b)", "b(id)"), refers("b(one)", "users(id)")
    other = refers("b(two)", "users(id)")
    catalogue = database(["users", "a", "b"], [to_b, to_user, other])
    a, b = TableDataset(table="a", person=("b",)), TableDataset(table="b", person=("two",))
    for datasets in ({"a": a, "b": b}, {"b": b, "a": a}):
        found = attribute_tables(charter(datasets), catalogue)
        assert found.paths[named("a")] == (path("a", to_b, other),)


def test_tables_of_other_schemas_are_told_apart() -> None:
    old = refers("old.videos(owner)", "users(id)")
    found = attribute_tables(charter(), database(["users", "videos", "old.videos"], [old]))
    assert found.paths[TableName("old", "videos")] == (path("old.videos", old),)
    assert named("videos") in found.undecided
    assert "no foreign key leads to a person" in found.undecided[named("videos")].reason


def test_without_the_people_table_nothing_is_attributed() -> None:
    found = attribute_tables(charter(), database(["videos"]))
    assert not found.paths
    assert set(found.undecided) == {named("videos")}


NAMES = ("users", "a", "b", "c", "d", "e")


@st.composite
def catalogues(draw: st.DrawFn) -> Database:
    edge = st.tuples(st.sampled_from(NAMES), st.sampled_from(NAMES), st.integers(0, 1))
    edges = draw(st.sets(edge, max_size=12))
    keys = [refers(f"{child}(to_{parent}_{n})", f"{parent}(id)") for child, parent, n in edges]
    return database(NAMES, keys)


def shortest(catalogue: Database) -> dict[TableName, set[tuple[ForeignKey, ...]]]:
    """Every walk of the least length from each table to the people, found by trying lengths."""
    walks: dict[TableName, set[tuple[ForeignKey, ...]]] = {USERS: {()}}
    level: set[tuple[tuple[ForeignKey, ...], TableName]] = {((), USERS)}
    for _ in NAMES:
        level = {
            ((key, *walk), key.child)
            for walk, at in level
            for key in catalogue.foreign_keys
            if key.parent == at and key.child not in walks
        }
        for walk, at in level:
            walks.setdefault(at, set()).add(walk)
    return walks


@given(catalogues())
def test_a_table_is_decided_where_just_one_shortest_path_leads_to_a_person(
    catalogue: Database,
) -> None:
    expected = shortest(catalogue)
    found = attribute_tables(charter(), catalogue)
    assert set(found.paths) == {at for at, walks in expected.items() if len(walks) == 1}
    assert set(found.undecided) == set(catalogue.tables) - set(found.paths)
    for at, (only,) in found.paths.items():
        assert {only} == {PersonPath(at, path(str(at), *walk).hops) for walk in expected[at]}
        assert_joined(only)
    every = paths_to_people(catalogue, USERS)
    assert {at: len(paths) for at, paths in every.items()} == {
        at: len(walks) for at, walks in expected.items()
    }


def assert_joined(one: PersonPath) -> None:
    assert not one.hops or one.hops[-1].parent == USERS
    for hop, following in pairwise(one.hops):
        assert following.foreign_key is not None
        assert following.foreign_key.startswith(f"{hop.parent}(")


def test_without_the_people_table_a_persons_key_is_looked_up_in_the_register() -> None:
    tables = {"messages": TableDataset(table="messages", person=("sender",))}
    keys = [REACTS, refers("users(id)", "messages(id)")]  # a table of the people table's name
    held = database([table("messages", "sender"), "reactions", "users", "places"], keys)
    found = attribute_tables(charter(tables), held, ("pg_catalog.int8",))
    assert [str(p) for p in found.paths[named("messages")]] == ["messages.sender ~> the register"]
    assert [str(p) for p in found.paths[named("reactions")]] == [
        "reactions.message -> messages.sender ~> the register"
    ]
    assert found.paths[USERS][0].hops[-1].parent == EVERYBODY
    assert set(found.undecided) == {named("places")}


@pytest.mark.parametrize(
    ("held", "known", "decided"),
    [
        ("pg_catalog.int4", "pg_catalog.int8", True),
        ("pg_catalog.int8", "pg_catalog.numeric", True),
        ("pg_catalog.text", "pg_catalog.varchar", True),
        ("pg_catalog.text", "pg_catalog.uuid", True),
        ("pg_catalog.text", "pg_catalog.date", False),
        ("pg_catalog.float8", "pg_catalog.int8", False),
        ("public.citext", "public.citext", False),  # another database's may be another type
    ],
)
def test_the_register_is_asked_only_where_types_compare_exactly(
    held: str, known: str, *, decided: bool
) -> None:
    tables = {"messages": TableDataset(table="messages", person=("sender",))}
    sender = replace(column("sender"), base_type=held)
    found = attribute_tables(charter(tables), database([table("messages", sender)]), (known,))
    assert (named("messages") in found.paths) is decided
    assert decided or "cannot be compared" in found.undecided[named("messages")].reason
