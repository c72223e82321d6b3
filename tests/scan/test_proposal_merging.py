"""Writing a charter, and adding to one that a person has changed."""

from __future__ import annotations

import tomllib
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domicile.charter.secrets import secret_lines
from domicile.scan.proposal.merging import merge
from domicile.scan.proposal.model import Block, Line, Proposal
from domicile.scan.proposal.writing import render

TODAY = date(2027, 1, 31)


def tables(*blocks: Block) -> Proposal:
    return Proposal({"Tables": blocks}, {})


def dataset(name: str, *lines: Line, categories: dict[str, str] | None = None) -> Block:
    groups = {"categories": tuple(Line(k, v, "its name") for k, v in (categories or {}).items())}
    head = (Line("table", name), *lines)
    return Block(("tables", name), head, same="table", groups=groups if categories else None)


WRITTEN = """\
# My charter.
[company]
name = "Mine"     # ours

[tables.people]   # I renamed this
table = "users"
public = [ "id",
           "handle" ]  # these may stay
[tables.people.categories]
phone = "system"   # it is a shop's
"""


def test_what_a_person_wrote_stays_to_the_letter() -> None:
    proposal = tables(
        dataset(
            "users",
            Line("classification", "protected", "people"),
            categories={"phone": "user.contact.phone_number", "email": "user.contact.email"},
        ),
        dataset("orders", Line("person", ("user_id",), "no foreign key")),
    )
    merged = merge(WRITTEN, proposal, TODAY)
    lines = merged.text.splitlines()
    assert [line for line in WRITTEN.splitlines() if line not in lines] == []
    found = tomllib.loads(merged.text)
    assert found["tables"]["people"]["categories"] == {
        "phone": "system",
        "email": "user.contact.email",
    }
    assert "classification" not in found["tables"]["people"]
    assert found["tables"]["orders"] == {"table": "orders", "person": ["user_id"]}
    assert merged.added == ("tables.people.categories.email", "[tables.orders]")
    assert "# added 2027-01-31: its name" in merged.text
    again = merge(merged.text, proposal, TODAY)
    assert (again.text, again.added) == (merged.text, ())


def test_a_name_in_use_for_another_table_is_not_taken() -> None:
    merged = merge(WRITTEN, tables(dataset("people", Line("person", ("id",)))), TODAY)
    assert merged.added == ("[tables.people-2]",)
    assert tomllib.loads(merged.text)["tables"]["people-2"]["table"] == "people"


def test_a_table_of_the_charter_gets_a_way_to_the_person_only_where_it_decided_nothing() -> None:
    proposal = tables(dataset("t", Line("person", ("user_id",), "why")))
    silent = '[tables.t]\ntable = "public.t"\n'
    decided = '[tables.t]\ntable = "t"\nclassification = "public"\n'
    assert tomllib.loads(merge(silent, proposal, TODAY).text)["tables"]["t"]["person"] == [
        "user_id"
    ]
    assert merge(decided, proposal, TODAY).text == decided


def test_only_what_was_left_to_decide_is_filled() -> None:
    block = Block(
        ("boundaries", "us"),
        (Line("members", ("US",), "", "which"), Line("custodian", "USDS", "", "who")),
    )
    text = '[boundaries.us]\nmembers = []  # DECIDE: which\ncustodian = "Theirs"\n'
    merged = merge(text, Proposal({"": (block,)}, {}), TODAY)
    assert merged.added == ("boundaries.us.members",)
    assert "DECIDE" not in merged.text
    assert tomllib.loads(merged.text)["boundaries"]["us"] == {
        "members": ["US"],
        "custodian": "Theirs",
    }


names = st.text(min_size=1, max_size=40)


@given(table=names, columns=st.lists(names, max_size=4, unique=True), why=st.text(max_size=300))
def test_no_name_writes_a_line_of_its_own(table: str, columns: list[str], why: str) -> None:
    block = Block(
        ("tables", "t"),
        (Line("table", table, why), Line("person", tuple(columns), why)),
        (why,),
        groups={"categories": tuple(Line(c, "user.content", why) for c in columns)},
    )
    found = tomllib.loads(render(Proposal({"Tables": (block,)}, {"Tables": (why,)})))
    expected = {
        "table": table,
        "person": columns,
        "categories": dict.fromkeys(columns, "user.content"),
    }
    assert found == {"tables": {"t": expected}}


def test_a_column_called_like_a_secret_is_none() -> None:
    block = dataset("t", categories=dict.fromkeys(("password", "token", "api_key", "pin"), "user"))
    assert list(secret_lines(render(tables(block)))) == []
    written = '[tables.t]\ntable = "t"\n[tables.t.categories]\n"x" = "user"\n'
    assert list(secret_lines(merge(written, tables(block), TODAY).text)) == []


APART = """\
[people]
table = "users"

[sites.db]
kind = "postgres"

# --- later ---
[people.spellings]
USA = "US"
"""


@pytest.mark.parametrize(
    "there", ['people = { table = "users" }\n', '[people]\ntable = "users"\n', APART]
)
def test_a_table_is_found_however_it_is_written(there: str) -> None:
    line = Line("country", "country", "named so\n\x07[sites.evil]")
    proposal = tables(Block(("people",), (line,)))
    text = merge(there, proposal, TODAY).text
    found = tomllib.loads(text)
    assert found["people"]["table"] == "users"
    assert "evil" not in found.get("sites", {})
    assert text.count("[people]") <= 1
