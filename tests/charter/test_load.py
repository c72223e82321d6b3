from __future__ import annotations

import hashlib
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domicile.charter import LoadedCharter, load_charter, parse_charter
from domicile.errors import CharterError

TODAY = date(2026, 6, 1)


def parse(text: str) -> LoadedCharter:
    return parse_charter(text, "domicile.toml", today=TODAY)


def refusal(text: str) -> str:
    with pytest.raises(CharterError) as caught:
        parse(text)
    return str(caught.value)


def line(text: str, fragment: str) -> int:
    return next(at for at, row in enumerate(text.splitlines(), 1) if fragment in row)


def test_a_sound_charter_loads_without_warnings(text: str, tmp_path: Path) -> None:
    path = tmp_path / "domicile.toml"
    path.write_bytes(text.encode())
    loaded = load_charter(path)
    assert loaded.warnings == ()
    assert loaded.path == path
    assert loaded.text == text
    assert loaded.sha256 == hashlib.sha256(text.encode()).hexdigest()
    assert loaded.charter.boundaries["us"].home == ("home_db", "home_media")


def test_the_digest_is_of_the_bytes_even_with_foreign_line_ends(text: str, tmp_path: Path) -> None:
    data = text.replace("\n", "\r\n").encode()
    path = tmp_path / "domicile.toml"
    path.write_bytes(data)
    assert load_charter(path).sha256 == hashlib.sha256(data).hexdigest()


def test_two_ways_to_one_directory_are_one_place(text: str, tmp_path: Path) -> None:
    path = tmp_path / "domicile.toml"
    third = f'[sites.third]\nkind = "objects"\ncountry = "US"\nprovider = "Reel"\nurl = "file://{tmp_path}/home"'
    path.write_text(f"{text}\n{third}\n")
    with pytest.raises(CharterError, match=r"third.url: a home site that is also a source"):
        load_charter(path)


def test_norway_stays_a_country(text: str) -> None:
    assert parse(text.replace('"PR"', '"NO"')).charter.boundaries["us"].members[1] == "NO"


def test_a_missing_charter_says_how_to_name_one(tmp_path: Path) -> None:
    with pytest.raises(CharterError, match="--charter"):
        load_charter(tmp_path / "none.toml")


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"\xef\xbb\xbf[company]\n", "byte-order mark"),
        (b'[company]\nname = "\xff"\n', r"toml:2: is not UTF-8"),
        (b"#" * (5 * 1024 * 1024), "bytes long"),
    ],
)
def test_bytes_that_are_no_charter_are_refused(data: bytes, what: str, tmp_path: Path) -> None:
    path = tmp_path / "domicile.toml"
    path.write_bytes(data)
    with pytest.raises(CharterError, match=what):
        load_charter(path)


def test_a_directory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CharterError, match="cannot be read"):
        load_charter(tmp_path)


def test_a_syntax_error_names_its_line(text: str) -> None:
    broken = text.replace('country = "SG"', 'country = "SG')
    assert f"domicile.toml:{line(text, 'SG')}: not valid TOML" in refusal(broken)


def test_a_text_that_breaks_off_names_its_last_line() -> None:
    assert "domicile.toml:2: not valid TOML" in refusal("[company]\nname = [")


@pytest.mark.parametrize("opening", ["[", "{a="])
def test_deep_nesting_is_an_error_of_the_charter(opening: str) -> None:
    assert "nested too deeply" in refusal("x = " + opening * 50_000)


def test_an_endless_number_is_an_error_of_the_charter() -> None:
    assert "not valid TOML" in refusal("x = " + "9" * 10_000)


def test_an_unknown_key_suggests_the_nearest(text: str) -> None:
    message = refusal(text.replace("custodian", "custodan"))
    assert (
        f"domicile.toml:{line(text, 'custodian')}: boundaries.us.custodan: unknown key" in message
    )
    assert "did you mean `custodian`?" in message
    assert "boundaries.us.custodian: is missing" in message


def test_an_unknown_table_suggests_the_nearest(text: str) -> None:
    assert "did you mean `boundaries`?" in refusal(text.replace("[boundaries.", "[boundary."))


def test_all_problems_of_a_file_come_in_one_error(text: str) -> None:
    broken = text.replace('"PR"', '"UK"').replace("US Data Security", "REEL")
    message = refusal(broken)
    assert "2 problems" in message
    assert message.index("members[1]") < message.index("custodian")


@pytest.mark.parametrize(
    ("before", "after", "key", "expected"),
    [
        ('country = "SG"', 'country = "Singapore"', "sites.old_media.country", '"SG"'),
        ('country = "SG"', "country = 65", "sites.old_media.country", "text in quotes"),
        ('role = "backup"', 'role = "copy"', "sites.old_media.role", '"replica"'),
        ('key = ["id"]', "key = []", "people.key", "at least 1"),
        ('key = ["id"]', 'key = "id"', "people.key", "list"),
        ('name = "Reel"', 'name = ""', "company.name", "not empty"),
        ('kind = "postgres"', 'kind = "mysql"', "sites.home_db.kind", '"postgres"'),
        ('home = ["home_db"', 'home = ["Home"', "boundaries.us.home[0]", "lower-case"),
        ('"OLD_PASSWORD"', '"pass word"', "sites.old_db.password_env", "environment variable"),
        ("[sites.old_db]", "[sites.'old db']", 'sites."old db"', "lower-case"),
        ("[company]\n", "[[company]]\n", "company", "table"),
    ],
)
def test_a_wrong_value_names_its_key_and_what_was_expected(
    text: str, before: str, after: str, key: str, expected: str
) -> None:
    message = refusal(text.replace(before, after, 1))
    assert key in message
    assert expected in message


def test_a_date_in_quotes_is_no_date(text: str) -> None:
    dataset = '\n[objects.logs]\ntemplate = "l/{person}"\nuntil = "2027-01-01"\n'
    assert "without quotes" in refusal(text + dataset)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('password_env = "OLD_PASSWORD"', 'password = "hunter2"'),
        ('secret_key_env = "OLD_SECRET"', 'secret_key = "hunter2"'),
        ("app@old", "app:hunter2@old"),
        ("6432/reel?", "6432/reel?password=hunter2&"),
        ("s3://media", "s3://key:hunter2@media"),
        ("https://s3.old", "https://key:hunter2@s3.old"),
        ('password_env = "OLD_PASSWORD"', 'password_env = "hunter2!"'),
    ],
)
def test_a_secret_in_the_charter_is_refused_and_never_repeated(
    text: str, before: str, after: str
) -> None:
    assert before in text
    message = refusal(text.replace(before, after))
    assert "hunter2" not in message
    assert "_env" in message


@pytest.mark.parametrize(
    "comment",
    [
        'url = "postgresql://app:hunter2@old.example/reel"',
        "was https://:hunter2@s3.old.example",
        'password = "hunter2"',
        "PGPASSWORD='hunter2'",
        'secret_key = "hunter2"',
        "AKIAHUNTER2HUNTER234",
        "-----BEGIN EC PRIVATE KEY----- hunter2",
        "PRIVATE+KEY+example.com/ledger+hunter2",
    ],
)
def test_a_secret_in_a_comment_is_refused_too_since_the_text_becomes_public(
    text: str, comment: str
) -> None:
    lines = text.splitlines()
    message = refusal("\n".join([*lines[:3], f"# {comment}", *lines[3:]]))
    assert message.startswith("domicile.toml:4: holds what looks like a secret")
    assert "hunter2" not in message.lower()


@pytest.mark.parametrize(
    "comment",
    [
        "see https://example.com:8443/a@b",
        "password_env names it",
        "mail app@old.example",
        "key = 1",
    ],
)
def test_a_comment_without_a_secret_is_kept(text: str, comment: str) -> None:
    assert comment in parse(f"{text}# {comment}\n").text


def test_keys_with_control_characters_are_shown_harmlessly(text: str) -> None:
    message = refusal(text + '\n["\\u001b[2J"]\n')
    assert "\x1b" not in message
    assert "unknown key" in message


@given(st.text(max_size=200))
def test_any_text_loads_or_is_refused_as_a_charter(text: str) -> None:
    with pytest.raises(CharterError):
        parse(text)
