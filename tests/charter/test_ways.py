from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domicile.charter import CountryWay, Way
from domicile.errors import CharterError


@pytest.mark.parametrize(
    ("text", "way"),
    [
        ("owner", Way(("owner",))),
        ("realm,No.", Way(("realm", "No."))),
        ("who's realm,who: %s", Way(("who's realm", "who: %s"))),
        ("a#b", Way(("a#b",))),
        ("payload#/user/id", Way(("payload",), ("user", "id"))),
        ("payload#/a~1b/~01/0/", Way(("payload",), ("a/b", "~1", "0", ""))),
        ("payload#/a,b. é", Way(("payload",), ("a,b. é",))),
        ("order_no -> orders.number", Way(("order_no",), (), "orders", ("number",))),
        ("a,b -> shop.orders.x,y", Way(("a", "b"), (), "shop.orders", ("x", "y"))),
        ("a,b -> Front Office.t.x y,z.", Way(("a", "b"), (), "Front Office.t", ("x y", "z."))),
        ("p#/n -> orders.number", Way(("p",), ("n",), "orders", ("number",))),
        ("a->b", Way(("a->b",))),
    ],
)
def test_a_way_is_read(text: str, way: Way) -> None:
    assert Way.parse(text) == way


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is not a column"),
        ("a, b", "is not a column"),
        ("a,a", "is not a column"),
        ('a"b', "is not a column"),
        ("a,b#/c", "one column of JSON"),
        (" p#/c", "one column of JSON"),
        ("p#/a~2", "`~0` for `~`"),
        ("p#/a~", "`~0` for `~`"),
        ("p#/a/-1", "index as 0, 1, 2"),
        ("p#/a/07", "index as 0, 1, 2"),
        ("p#/a/ 1", "index as 0, 1, 2"),
        ("p#/\0", "characters between"),
        ("p#/😀", "characters between"),
        ("a -> b", "leads to what is no table's column"),
        ("a -> ", "leads to what is no table's column"),
        ("a -> x.y.z.n", "leads to what is no table's column"),
        ("a -> t.", "is not a column"),
        ("a -> t.n,n", "is not a column"),
        ("a,b -> t.n", "leads from 2 column(s) to 1"),
        ("a -> t.n -> u.m", "leads to what is no table's column"),
    ],
)
def test_what_is_no_way_is_refused_with_the_reason(text: str, said: str) -> None:
    with pytest.raises(CharterError) as refused:
        Way.parse(text)
    assert said in str(refused.value)
    assert refused.value.next_step


def test_a_country_is_a_column_of_the_people_table_or_of_another() -> None:
    assert CountryWay.parse("country") == CountryWay("country")
    there = Way(("id",), (), "shop.addresses", ("customer",))
    assert CountryWay.parse("id -> shop.addresses.customer -> land") == CountryWay("land", there)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no column"),
        ("id -> addresses.customer", "leads to no table"),
        ("id -> addresses.customer -> ", "no column"),
        ("id -> addresses -> country", "no table's column"),
        ("a -> b.c -> d.e -> f", "no table's column"),
    ],
)
def test_what_is_no_countrys_place_is_refused(text: str, said: str) -> None:
    with pytest.raises(CharterError, match=said):
        CountryWay.parse(text)


@given(st.text(max_size=20))
def test_a_text_is_a_way_or_refused(text: str) -> None:
    try:
        way = Way.parse(text)
    except CharterError:
        return
    assert way.columns
    assert len(way.there) in {0, len(way.columns)}
