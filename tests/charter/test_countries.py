from __future__ import annotations

import pytest

from domicile.charter import country_name
from domicile.charter.countries import COUNTRIES, suggest_country


def test_all_countries_in_force_are_there() -> None:
    assert len(COUNTRIES) == 249
    assert all(len(code) == 2 and code.isupper() for code in COUNTRIES)
    assert len(set(COUNTRIES.values())) == 249


def test_codes_that_look_right_but_are_not_in_force_are_missing() -> None:
    assert not {"UK", "EU", "XX", "SU", "YU", "XK"} & set(COUNTRIES)


def test_a_name_is_for_people() -> None:
    assert country_name("SG") == "Singapore"
    assert country_name("ZZ") == "ZZ"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("USA", "US"),
        ("us", "US"),
        ("UK", "GB"),
        ("Germny", "DE"),
        (" Türkiye ", "TR"),
        ("Turkey", "TR"),
        ("XX", None),
        ("Atlantis", None),
        ("", None),
    ],
)
def test_what_was_meant_is_suggested_where_it_is_clear(text: str, code: str | None) -> None:
    assert suggest_country(text) == code
