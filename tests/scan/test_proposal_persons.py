"""Who the people are, and whose a table's rows are, where a charter does not say."""

from __future__ import annotations

from dataclasses import replace

import pytest

from domicile.charter import People, TableDataset
from domicile.scan.proposal.columns import Finding, Sample
from domicile.scan.proposal.people import (
    CountryColumn,
    PeopleChoice,
    choose_people,
    country_elsewhere,
    spellings,
)
from domicile.scan.proposal.persons import Soft, find_ways, holds_a_key_by_name, soft_candidates
from domicile.scan.proposal.tables import Known, about_nobody, table_blocks
from domicile.sites.postgres import Column, Database, TableName
from tests.people.catalogues import column, database, refers, table

PEOPLE = People(table="users", key=("id",), country="country")
USERS = TableName("public", "users")


def text(name: str) -> Column:
    return replace(column(name), base_type="pg_catalog.text", category="S")


def ways(
    catalogue: Database, soft: dict[str, list[Soft]] | None = None, **given: TableDataset
) -> dict[str, tuple[str, ...]]:
    found = find_ways(
        catalogue,
        PEOPLE,
        {TableName.parse(name): columns for name, columns in (soft or {}).items()},
        {TableName.parse(name): dataset for name, dataset in given.items()},
    )
    return {str(name): columns for name, (columns, _) in found.person.items()}


def test_what_the_foreign_keys_decide_needs_no_line() -> None:
    catalogue = database(
        ["users", "videos", "clips"],
        [refers("videos(author_id)", "users(id)"), refers("clips(video_id)", "videos(id)")],
    )
    assert ways(catalogue) == {}


def test_of_several_persons_the_owner_is_told_by_names() -> None:
    catalogue = database(
        ["users", "messages", "reports", "lines"],
        [
            refers("messages(recipient_id)", "users(id)"),
            refers("messages(sender_id)", "users(id)"),
            refers("reports(approved_by)", "users(id)"),
            refers("reports(reporter_id)", "users(id)"),
            refers("lines(message_id)", "messages(id)"),
        ],
    )
    assert ways(catalogue) == {
        "messages": ("sender_id", "recipient_id"),
        "reports": ("reporter_id", "approved_by"),
    }  # and what refers to a table that was decided so follows it


def test_where_names_do_not_tell_the_owner_the_line_says_check() -> None:
    catalogue = database(
        ["users", "deals"],
        [refers("deals(customer_id)", "users(id)"), refers("deals(user_id)", "users(id)")],
    )
    found = find_ways(catalogue, PEOPLE, {}, {})
    (why,) = [why for _, why in found.person.values()]
    assert why.startswith("CHECK: ")


@pytest.mark.parametrize(
    ("soft", "holds"),
    [
        (Soft("user_id", 100, 100, by_name=True), True),
        (Soft("user_id", 60, 100, by_name=True), True),
        (Soft("user_id", 40, 100, by_name=True), False),
        (Soft("ref", 60, 100, by_name=False), False),
        (Soft("ref", 95, 100, by_name=False), True),
        (Soft("user_id", 0, 0, by_name=True), True),
        (Soft("ref", 0, 0, by_name=False), False),
    ],
)
def test_a_soft_reference_is_one_by_name_and_values(soft: Soft, *, holds: bool) -> None:
    catalogue = database(["users", table("events", soft.column)])
    expected = {"events": (soft.column,)} if holds else {}
    assert ways(catalogue, {"events": [soft]}) == expected


def test_a_dataset_of_the_charter_stays_as_it_is() -> None:
    catalogue = database(["users", table("events", "user_id", "actor_id")])
    soft = {"events": [Soft("user_id", 9, 9, by_name=True)]}
    mine = TableDataset(table="events", person=("actor_id",))
    assert ways(catalogue, soft, events=mine) == {}


def test_numbers_join_with_anything_so_only_named_columns_are_candidates() -> None:
    events = table("events", "quantity", "user_id", "invited_by", "employee_id", "owner")
    found = soft_candidates(events, "pg_catalog.int4", USERS, {"employees"})
    assert [name for name, _ in found] == ["user_id", "owner"]
    assert soft_candidates(events, "pg_catalog.uuid", USERS, set()) == []
    assert holds_a_key_by_name("customerId", TableName("public", "customers"))
    assert not holds_a_key_by_name("order_id", USERS)


def test_text_that_may_be_a_persons_key_is_a_candidate_that_its_values_must_confirm() -> None:
    events = table("events", text("customer"), text("note"), "user_id", text("user#/~"))
    found = soft_candidates(events, "pg_catalog.uuid", TableName("public", "customers"), set())
    assert found == [("customer", False)]
    both = soft_candidates(events, "pg_catalog.int8", USERS, set())
    assert both == [("user_id", True), ("customer", False)]


def test_the_country_of_the_one_table_that_refers_to_the_people_is_taken() -> None:
    home = refers("homes(who)", "users(id)")
    catalogue = database(["users", "homes", "firms"], [home, refers("homes(firm)", "firms(id)")])
    chosen = PeopleChoice(USERS, ("id",), None, "")
    land = CountryColumn("land", "its name")
    homes, firms = TableName("public", "homes"), TableName("public", "firms")
    found = country_elsewhere(catalogue, chosen, {homes: land, firms: land})
    assert found is not None
    assert (found.name, found.table, found.column) == ("id -> homes.who -> land", homes, "land")
    assert country_elsewhere(catalogue, chosen, {firms: land}) is None
    twice = database(["users", "homes"], [home, refers("homes(owner)", "users(id)")])
    assert country_elsewhere(twice, chosen, {homes: land}) is None
    odd = CountryColumn("land -> ", "its name")
    assert country_elsewhere(catalogue, chosen, {homes: odd}) is None


FOUND = {"email": Finding("user.contact.email", ""), "name": Finding("user.name", "")}


def test_the_people_table_is_told_by_name_references_and_content() -> None:
    catalogue = database(
        [
            table("customer", text("email"), text("country")),
            table("employee", text("email"), text("country")),
            table("invoice", "customer_id"),
            table("user_roles", "x"),
        ],
        [
            refers("invoice(customer_id)", "customer(id)"),
            refers("customer(rep_id)", "employee(id)"),
        ],
    )
    names = {TableName.parse(name): FOUND for name in ("customer", "employee")}
    samples = {name: {"country": Sample(["USA", "Brazil", "Canada"])} for name in names}
    found = choose_people(catalogue, names, samples)
    assert [str(choice.table) for choice in found] == ["customer", "employee"]
    assert found[0].country is not None
    assert found[0].country.name == "country"
    (named,) = choose_people(catalogue, names, samples, TableName.parse("employee"))
    assert str(named.table) == "employee"
    assert choose_people(database(["things"]), {}, {}) == []


def test_only_names_of_countries_are_taken_over() -> None:
    told, unknown = spellings(["USA", " germany ", "US", "NO", "Ada Lovelace", "", "UK"])
    assert told == {"USA": "US", "germany": "DE", "UK": "GB"}
    assert unknown == 1


def test_one_doubt_and_a_table_is_not_about_nobody() -> None:
    catalogue = database(
        [
            "users",
            table("genres", text("name")),
            table("albums", text("title"), "genre_id"),
            table("scores", text("player"), "points"),
            table("items", "order_id"),
            table("states", replace(column("payload"), base_type="pg_catalog.jsonb")),
            table("leads", text("email")),
            table("notes", text("said")),
            table("empty", text("name")),
        ],
        [refers("albums(genre_id)", "genres(id)")],
    )
    known = {name: Known({}, 9, {}) for name in catalogue.tables}
    known[TableName.parse("leads")] = Known({"email": Finding("user.contact.email", "")}, 9, {})
    known[TableName.parse("notes")] = Known({}, 9, {"said": "phone numbers in 1"})
    known[TableName.parse("empty")] = Known({}, 0, {})
    found = find_ways(catalogue, PEOPLE, {}, {})
    nobody = about_nobody(catalogue, found, known, USERS)
    assert {str(name) for name in nobody} == {"genres", "albums"}
    blocks = table_blocks(found, known, nobody, set(catalogue.tables), set())
    left = "\n".join(blocks.notes)
    for name in ("scores", "items", "states", "leads", "notes", "empty"):
        assert f"  {name}: " in left
