"""Which databases `init` takes for copies, and which home it takes for whose."""

from __future__ import annotations

import pytest

from domicile.scan.proposal.routes import Likeness, is_alike, route_lines
from domicile.scan.proposal.sites import NamedSite, parse_site
from domicile.sites.postgres import TableName

HOMES = ("us-users=postgresql://h/users", "us-orders=postgresql://h/orders")
TWO = ("users=postgresql://a/users", "orders=postgresql://b/orders")


def told(
    away: tuple[str, ...], home: tuple[str, ...], **alike: tuple[str, ...]
) -> dict[str, dict[str, object]]:
    """The lines of each site; a site is NAME=URL."""
    named: dict[str, NamedSite] = {}
    for text in (*away, *home):
        site = parse_site(text, named, ())
        named[site.name] = site
    homes = [text.partition("=")[0] for text in home]
    found = route_lines(list(named.values()), homes, Likeness(alike=alike))
    return {name: {line.key: line.value for line in lines} for name, lines in found.items()}


def test_one_database_and_one_home_need_no_line() -> None:
    assert told(TWO[:1], HOMES[:1]) == {}


def test_a_database_with_the_tables_of_another_is_its_copy() -> None:
    copy = ("sg=postgresql://c/x",)
    assert told(TWO[:1] + copy, HOMES[:1], sg=("users",)) == {"sg": {"role": "replica"}}
    found = told(TWO + copy, HOMES, sg=("orders",))
    assert found["sg"] == {"role": "replica", "of": "orders"}
    backup = ("orders-backup=postgresql://c/x",)
    found = told(backup + TWO, HOMES, orders=("orders-backup",))
    assert found["orders-backup"] == {"role": "backup", "of": "orders"}
    assert found["orders"] == {"home": "us-orders"}


@pytest.mark.parametrize(
    ("away", "home", "paired"),
    [
        (TWO, HOMES, ("us-users", "us-orders")),
        (TWO, ("one=postgresql://h/orders", "two=postgresql://h/users"), ("two", "one")),
        (TWO, ("us-users=postgresql://h/a", "us-x=postgresql://h/b"), ("us-users", "")),
        (TWO, HOMES[:1], ("us-users", "")),
        (TWO, ("one=postgresql://h/users", "two=postgresql://i/users"), ("", "")),
        (("users=postgresql://a/reel", "orders=postgresql://b/reel"), HOMES, HOMES),
    ],
)
def test_a_home_of_the_same_name_takes_a_databases_rows(
    away: tuple[str, ...], home: tuple[str, ...], paired: tuple[str, ...]
) -> None:
    expected = [name.partition("=")[0] for name in paired]
    found = told(away, home)
    assert [found["users"]["home"], found["orders"]["home"]] == expected


def test_what_is_written_already_is_not_proposed_again() -> None:
    away = ("users=postgresql://a/users", "orders=postgresql://b/orders#home=us-orders")
    found = told(away, HOMES)
    assert (found["users"], found["orders"]) == ({"home": "us-users"}, {})


def test_copies_have_most_tables_of_each_other() -> None:
    some = [TableName("public", name) for name in "abcd"]
    assert is_alike(some, some[:3])
    assert is_alike(some, [])
    assert not is_alike(some, [some[0], TableName("public", "x")])
