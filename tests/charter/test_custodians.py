"""``[boundaries.NAME.custodians]``: what is read, and everything that can be wrong in it."""

from __future__ import annotations

from datetime import date

import pytest

from domicile.charter import Custodians, custodians_in, parse_charter
from domicile.errors import CharterError
from tests.charter.test_witnesses import LEDGER, key

TODAY = date(2026, 6, 1)
ONE = key("custodian.example/one", 11, 0x01)
TWO = key("custodian.example/two", 12, 0x01)
LASTING = key("custodian.example/two", 12, 0x06)
THREE = key("custodian.example/three", 13, 0x06)
SECTION = f"""
[boundaries.us.custodians]
keys = [
    "{ONE}",
    "{TWO}",
    "{LASTING}",
    "{THREE}",
]
charter = 2
operations = 3
"""


def refusal(text: str) -> str:
    with pytest.raises(CharterError) as caught:
        parse_charter(text, "domicile.toml", today=TODAY)
    return str(caught.value)


def test_custodians_are_read(text: str) -> None:
    charter = parse_charter(text + SECTION, "domicile.toml", today=TODAY).charter
    named = charter.boundaries["us"].custodians
    assert named == Custodians(keys=(ONE, TWO, LASTING, THREE), charter=2, operations=3)
    assert named.openings == ("recover",)
    assert custodians_in(text + SECTION) == named


def test_without_the_section_nobody_must_sign(text: str) -> None:
    charter = parse_charter(text, "domicile.toml", today=TODAY).charter
    assert charter.boundaries["us"].custodians is None
    assert custodians_in(text) is None


@pytest.mark.parametrize(
    ("before", "after", "key_path", "message"),
    [
        ("charter = 2\n", "", "charter", "is missing"),
        ("charter = 2", "charter = 0", "charter", "greater than or equal to 1"),
        ("charter = 2", "charter = 4", "charter", "at most 3"),
        ("charter = 2", "charter = true", "charter", "a whole number"),
        ("operations = 3", "operations = 4", "operations", "at most 3"),
        ("operations = 3", "operation = 3", "operation", "did you mean `operations`?"),
        ("operations = 3", 'operations = 3\nopenings = ["rotate"]', "openings[0]", "recover"),
        (ONE, ONE[:-2], "keys[0]", "is no public key"),
        (ONE, ONE.replace("one+", "two+"), "keys[0]", "does not fit its id"),
        (ONE, key("custodian.example/one", 11, 0x04), "keys[0]", "is a witness's key"),
        (ONE, key("custodian.example/one", 12, 0x01), "keys[1]", "is the same key as"),
        (ONE, key("custodian.example/two", 14, 0x01), "keys[1]", "second key of the kind"),
        (ONE, key("domicile.invalid/us", 15, 0x01), "keys[0]", "has the log's name"),
    ],
)
def test_what_is_no_custodian_is_refused_at_its_key(
    text: str, before: str, after: str, key_path: str, message: str
) -> None:
    assert before in SECTION
    said = refusal(text + SECTION.replace(before, after, 1))
    assert f": boundaries.us.custodians.{key_path}: " in said
    assert message in said


def test_a_witness_is_no_custodian(text: str) -> None:
    section = SECTION.replace(ONE, key("custodian.example/one", 1, 0x01))
    said = refusal(text + section + LEDGER)
    assert "custodians.keys[0]: is also a key of ledger.witnesses.one" in said


def test_there_are_no_more_custodians_than_fit_into_an_entry(text: str) -> None:
    keys = ", ".join(f'"{key(f"custodian.example/{n}", 20 + n, 0x01)}"' for n in range(13))
    said = refusal(
        f"{text}\n[boundaries.us.custodians]\nkeys = [{keys}]\ncharter = 1\noperations = 1\n"
    )
    assert "names 13 custodians" in said


@pytest.mark.parametrize(
    "text",
    ["", "=", "[boundaries]", "boundaries = 1", "[boundaries]\nus = 1", "[[boundaries]]", "a" * 99],
)
def test_a_text_that_names_nobody_names_nobody(text: str) -> None:
    assert custodians_in(text) is None


@pytest.mark.parametrize(
    "section",
    [
        "custodians = 1",
        "[boundaries.us.custodians]",
        SECTION.replace("charter = 2", "charter = 0"),
        SECTION.replace("charter = 2", "charter = 4"),
        SECTION.replace(ONE, TWO),
        SECTION.replace("charter = 2", "charter = 2026-01-01"),
        SECTION + SECTION.replace("boundaries.us", "boundaries.eu"),
    ],
)
def test_what_a_text_says_of_custodians_is_never_half_believed(section: str) -> None:
    with pytest.raises(CharterError, match="custodians does not hold"):
        custodians_in("[boundaries.us]\n" + section if section[0] != "\n" else section)
