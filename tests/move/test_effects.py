from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domicile.charter import People, Route, TableDataset
from domicile.inventory import rules_for
from domicile.move.effects import (
    command_effects,
    country_blockers,
    database_effects,
    plan_sequences,
    projection_blockers,
    schema_blockers,
    standby_blockers,
)
from domicile.move.plan import Effect
from domicile.sites.postgres import Database, EventTrigger, Sequence, TableName, Trigger
from tests.people.catalogues import charter, column, database, refers, table

NUMBERS = TableName("public", "numbers")


def catalogue(*sequences: Sequence) -> Database:
    return replace(database(["users"]), sequences=sequences)


def sequence(value: int | None, *, by: int = 1, low: int = 1, high: int = 1000) -> Sequence:
    return Sequence(NUMBERS, value, by, low, high, None)


def falling(value: int | None) -> Sequence:
    return sequence(value, by=-1, low=-1000, high=-1)


def given_out(value: int, by: int, low: int, high: int) -> list[int]:
    """What a sequence that stands at a value still gives out."""
    return list(range(value + by, high + 1 if by > 0 else low - 1, by))


@st.composite
def sequences(draw: st.DrawFn) -> tuple[Sequence, Sequence | None]:
    """A sequence at the source and, perhaps, the one at home."""
    by = draw(st.sampled_from([1, 2, 5, -1, -2, -5]))
    low = draw(st.integers(-60, 20))
    high = draw(st.integers(low + 1, low + 90))
    values = st.integers(low, high)
    source = sequence(draw(st.none() | values), by=by, low=low, high=high)
    home = draw(st.none() | values.map(lambda value: replace(source, last_value=value)))
    return source, home


@settings(max_examples=400)
@given(sequences())
def test_both_sides_go_on_without_meeting(pair: tuple[Sequence, Sequence | None]) -> None:
    source, home = pair
    by, low, high = source.increment, source.min_value, source.max_value
    (plan,) = plan_sequences(catalogue(source), catalogue(*([home] if home else [])), "home")
    assert low <= plan.home_value <= high
    assert low <= plan.source_value <= high
    if source.last_value is not None:
        assert plan.source_value == source.last_value
        at_source = given_out(source.last_value, by, low, high)
    else:
        first = low if by > 0 else high
        at_source = [first, *given_out(first, by, low, high)]
    at_home = given_out(plan.home_value, by, low, high)
    before = [n for n in at_source if (n <= plan.home_value if by > 0 else n >= plan.home_value)]
    assert not set(before) & set(at_home)
    assert before or not set(at_source) & set(at_home)
    if home and home.last_value is not None:  # what home gave out it never gives out again
        ahead = plan.home_value - home.last_value
        assert ahead * by >= 0
    left = (high - plan.source_value if by > 0 else plan.source_value - low) // abs(by)
    if left >= 4 and home is None:  # and neither side is left without numbers
        assert before
        assert at_home


@pytest.mark.parametrize(
    ("source", "home", "expected"),
    [
        (sequence(100), None, 550),
        (sequence(None), None, 501),
        (sequence(100), sequence(None), 550),
        (sequence(100), sequence(40), 550),
        (sequence(100), sequence(700), 700),
        (sequence(999), None, 1000),
        (sequence(1000), None, 1000),
        (falling(-100), None, -550),
        (falling(None), None, -501),
        (falling(-100), falling(-5), -550),
        (falling(-100), falling(-700), -700),
    ],
)
def test_home_goes_on_from_the_middle_of_what_the_source_has_left(
    source: Sequence, home: Sequence | None, expected: int
) -> None:
    (plan,) = plan_sequences(catalogue(source), catalogue(*([home] if home else [])), "home")
    assert plan.home_value == expected


KEY = refers("videos(owner)", "users(id)")


def effects(
    on_delete: str, *, indexed: bool = True, triggers: tuple[Trigger, ...] = ()
) -> list[Effect]:
    key = replace(KEY, on_delete=on_delete, indexed=indexed)  # type: ignore[arg-type]
    found = replace(database(["users", "videos"], [key]), triggers=triggers)
    return list(database_effects(rules_for(charter(), found), "old_db"))


@pytest.mark.parametrize("on_delete", ["cascade", "set null", "set default"])
def test_what_a_database_does_by_itself_is_named(on_delete: str) -> None:
    assert effects(on_delete) == [Effect("old_db", on_delete, "videos(owner) -> users")]  # type: ignore[arg-type]


@pytest.mark.parametrize("on_delete", ["no action", "restrict"])
def test_keys_that_only_refuse_have_no_effect(on_delete: str) -> None:
    assert effects(on_delete) == []


def test_an_unindexed_key_is_named_with_what_it_costs() -> None:
    (found,) = effects("no action", indexed=False)
    assert found.kind == "unindexed"
    assert found.what.startswith("videos(owner) -> users: each delete in users reads")


def test_triggers_that_erasure_fires_are_named() -> None:
    users = TableName("public", "users")
    fired = Trigger(users, "audit", ("insert", "update", "delete"), enabled=True)
    asleep = replace(fired, name="asleep", enabled=False)
    inserting = replace(fired, name="inserting", events=("insert",))
    elsewhere = replace(fired, name="elsewhere", table=TableName("public", "countries"))
    found = effects("no action", triggers=(fired, asleep, inserting, elsewhere))
    assert found == [Effect("old_db", "trigger", "audit on users (update/delete)")]


def test_nothing_is_said_of_tables_that_are_not_erased() -> None:
    key = replace(refers("cities(country)", "countries(id)"), on_delete="cascade", indexed=False)
    public = {
        name: TableDataset(table=name, classification="public") for name in ("cities", "countries")
    }
    rules = rules_for(charter(public), database(["users", "cities", "countries"], [key]))
    assert list(database_effects(rules, "old_db")) == []


def test_event_triggers_that_our_commands_set_off_are_named() -> None:
    found = replace(
        database(["users"]),
        event_triggers=(
            EventTrigger("any", "ddl_command_end", (), enabled=True),
            EventTrigger("some", "sql_drop", ("DROP TABLE", "DROP INDEX"), enabled=True),
            EventTrigger("others", "sql_drop", ("DROP INDEX",), enabled=True),
            EventTrigger("off", "ddl_command_end", (), enabled=False),
            EventTrigger("rewrite", "table_rewrite", (), enabled=True),
            EventTrigger("in", "login", (), enabled=True),
        ),
    )
    said = [effect.what for effect in command_effects(found, "old_db", at_home=False)]
    assert said == [
        "any (ddl_command_end) at any command",
        "some (sql_drop) at DROP TABLE",
        "in (login) at every login",
    ]
    home = [effect.what for effect in command_effects(found, "home", at_home=True)]
    assert "others (sql_drop) at DROP INDEX" in home
    assert len(home) == 4


def test_home_inherits_as_the_source_does() -> None:
    ours = database([table("users", "email"), table("videos", "owner")], [KEY])
    videos, users = TableName("public", "videos"), TableName("public", "users")
    child = replace(ours.tables[videos], inherits=(users,))
    heir = replace(ours, tables={**ours.tables, videos: child})
    (blocker,) = schema_blockers(rules_for(charter(), heir), ours)
    assert blocker.startswith("home's videos does not inherit from what the source's does")
    assert list(schema_blockers(rules_for(charter(), heir), heir)) == []


def test_a_projection_that_is_needed_and_cannot_be_made_blocks() -> None:
    videos = table(
        "videos", column("owner", not_null=True), column("code", not_null=True), unique=(("code",),)
    )
    rules = rules_for(charter(), database(["users", videos], [KEY]))
    name = TableName("public", "videos")
    (blocker,) = projection_blockers(rules, {name: 1200}, "old_db")
    assert blocker.startswith(
        "old_db: 1,200 rows of videos need a public projection, but videos.code"
    )
    assert list(projection_blockers(rules, {name: 0}, "old_db")) == []


def test_a_table_that_is_not_examined_and_referred_to_blocks() -> None:
    key = refers("videos(place)", "places(id)")
    rules = rules_for(charter(), database(["users", "videos", "places"], [KEY, key]))
    (blocker,) = schema_blockers(rules, database([]))
    assert blocker.startswith("videos refers to places, which is not examined")


@pytest.mark.parametrize(
    ("tables", "blocks"),
    [
        ({}, True),
        ({"homes": TableDataset(table="homes", classification="public")}, False),
        ({"homes": TableDataset(table="homes", person=("id -> users.home",))}, False),
        (
            {
                "homes": TableDataset(
                    table="homes", classification="public", person=("id -> users.home",)
                )
            },
            True,
        ),
    ],
)
def test_the_table_of_countries_must_come_home_with_its_persons(
    tables: dict[str, TableDataset], *, blocks: bool
) -> None:
    people = People(table="users", key=("id",), country="home -> homes.id -> land")
    ours = database([table("users", "home"), table("homes", "land")])
    rules = rules_for(charter(tables, people=people), ours)
    found = list(country_blockers(rules, people))
    assert [text.split(" says ")[0] for text in found] == (["homes"] if blocks else [])
    mine = People(table="users", key=("id",), country="land")
    assert list(country_blockers(rules, mine)) == []


def test_home_must_have_the_tables_in_the_same_shape_or_none_at_all() -> None:
    ours = database([table("users", "email"), table("videos", "owner")], [KEY])
    rules = rules_for(charter(), ours)
    assert list(schema_blockers(rules, database([]))) == []
    assert list(schema_blockers(rules, ours)) == []
    (missing,) = schema_blockers(rules, database([table("users", "email")]))
    assert missing.startswith("home has tables but no videos")
    other = database([table("users", "mail"), table("videos", "owner")])
    (differs,) = schema_blockers(rules, other)
    assert differs.startswith("home's users has other columns")


def test_a_standby_whose_primary_is_not_erased_at_blocks_the_plan() -> None:
    def said(standbys: dict[str, str | None], role: str = "replica") -> list[str]:
        routes = (Route("old", "home", ("copy",)), Route("orders", "home_orders"))
        return list(standby_blockers(standbys, dict.fromkeys(standbys, role), routes))

    assert said({"copy": "old"}) == []
    assert said({"copy": "old"}, "backup") == []
    (alone,) = said({"copy": None})
    assert "the charter does not name its primary" in alone
    (of_home,) = said({"copy": "home"})
    assert "a standby of home (home)" in of_home
    (astray,) = said({"copy": "orders"})
    assert 'write `of = "orders"`' in astray
    (wrong,) = said({"copy": "old"}, "primary")
    assert "name its primary as the site" in wrong
