from __future__ import annotations

import pytest

from domicile.charter import Charter, ObjectDataset, PostgresSiteConfig, TableDataset
from domicile.errors import CharterError
from domicile.scan.names import check_names
from tests.people.catalogues import charter, database, table

USERS = table("users", "country")
EMPTY = database([])
SETTING = table("setting", "owner", "key")


def two(
    tables: dict[str, TableDataset] | None = None,
    objects: dict[str, ObjectDataset] | None = None,
    people: tuple[str, ...] = (),
) -> Charter:
    """A charter of two databases, each with its home."""
    one = charter(tables, objects=objects)
    (boundary,) = one.boundaries.values()
    sites = dict(one.sites)
    for name in ("old_db", "orders", "home_orders"):
        sites[name] = PostgresSiteConfig(
            kind="postgres",
            country="US",
            provider="Oracle",
            url=f"postgresql://{name}/reel",
            home={"old_db": "home_db", "orders": "home_orders"}.get(name),
        )
    home = (*boundary.home, "home_orders")
    return one.model_copy(
        update={
            "sites": sites,
            "boundaries": {"us": boundary.model_copy(update={"home": home})},
            "people": one.people.model_copy(update={"databases": people}),
        }
    )


def check(charter: Charter, *orders: str) -> None:
    check_names(
        charter,
        {
            "old_db": database([USERS, SETTING]),
            "orders": database([table(name, "country", "owner", "key") for name in orders]),
            "home_db": EMPTY,
            "home_orders": EMPTY,
        },
    )


SETTINGS = TableDataset(table="setting", person=("owner",))
OF_ORDERS = TableDataset(table="setting", person=("owner",), databases=("orders",))
KEYS = ObjectDataset(key_column="setting.key")


def test_names_of_one_database_need_no_more() -> None:
    check(two({"settings": SETTINGS}, {"keys": KEYS}), "line")


@pytest.mark.parametrize(
    ("asked", "others", "where"),
    [
        (two({"settings": SETTINGS}), "setting", "[tables.settings]"),
        (two(objects={"keys": KEYS}), "setting", "[objects.keys] key_column"),
        (two(), "users", "[people]"),
    ],
)
def test_a_name_that_two_databases_have_is_asked_for(
    asked: Charter, others: str, where: str
) -> None:
    with pytest.raises(CharterError) as caught:
        check(asked, others)
    assert f"{where} old_db and orders each have a table" in str(caught.value)
    assert 'write `databases = ["old_db"]`, or several of them' in str(caught.value)


def test_a_name_that_two_databases_have_may_be_said_of_either_or_both() -> None:
    both = SETTINGS.model_copy(update={"databases": ("old_db", "home_orders")})
    check(two({"settings": OF_ORDERS}), "setting")
    check(two({"settings": both}), "setting")
    check(two(people=("old_db",)), "users")


def test_what_leads_to_another_table_leads_to_one_of_the_same_database() -> None:
    over = TableDataset(table="line", person=("owner -> setting.owner",), databases=("orders",))
    check(two({"lines": over, "settings": OF_ORDERS}), "line", "setting")
    with pytest.raises(CharterError, match=r"person no database of home_orders, orders has a ta"):
        check(two({"lines": over.model_copy(update={"databases": ()})}), "line")


def test_countries_in_another_table_are_those_beside_the_people() -> None:
    named = two()
    people = named.people.model_copy(update={"country": "id -> setting.owner -> key"})
    check(named.model_copy(update={"people": people}), "setting")
    people = people.model_copy(update={"country": "id -> line.owner -> key"})
    with pytest.raises(CharterError, match=r"country no database of home_db, old_db has a table"):
        check(named.model_copy(update={"people": people}), "line")


def test_a_table_that_none_of_the_named_databases_has_is_refused() -> None:
    with pytest.raises(CharterError, match="no database of orders has a table setting"):
        check(two({"settings": OF_ORDERS}), "line")


def test_a_people_table_that_no_database_has_is_refused() -> None:
    with pytest.raises(CharterError, match=r"\[people\] no database has a table users"):
        check_names(two(), {"old_db": EMPTY, "orders": database([SETTING]), "home_db": EMPTY,
                            "home_orders": EMPTY})  # fmt: skip
