"""``[ledger]``: what is read, and everything that can be wrong in it, with file, line and key."""

from __future__ import annotations

from datetime import date
from hashlib import sha256

import pytest

from domicile.charter import LedgerConfig, parse_charter
from domicile.errors import CharterError
from domicile.ledger import FileSigner
from domicile.ledger.base64 import encode_base64

TODAY = date(2026, 6, 1)


def key(name: str, seed: int, kind: int = 0x04) -> str:
    return FileSigner(name, bytes([seed]) * 32, kind).vkey


def unknown_key(kind: int) -> str:
    data = bytes([kind]) + bytes(32)
    identity = sha256(b"witness.example/w1\n" + data).hexdigest()[:8]
    return f"witness.example/w1+{identity}+{encode_base64(data)}"


ONE = key("witness.example/w1", 1)
TWO = key("witness.example/w2", 2)
LASTING = key("witness.example/w2", 2, 0x06)
LEDGER = f"""
[ledger]
origin = "ledger.reel.example/us"
cosignatures = 1
away = "publish"

[ledger.witnesses.one]
url = "https://witness.example/prefix"
keys = ["{ONE}"]

[ledger.witnesses.two]
url = "http://127.0.0.1:8093"
keys = [
    "{TWO}",
    "{LASTING}",
]
"""


def refusal(text: str) -> str:
    with pytest.raises(CharterError) as caught:
        parse_charter(text, "domicile.toml", today=TODAY)
    return str(caught.value)


def test_witnesses_are_read(text: str) -> None:
    charter = parse_charter(text + LEDGER, "domicile.toml", today=TODAY).charter
    assert charter.ledger_origin == "ledger.reel.example/us"
    assert (charter.ledger.cosignatures, charter.ledger.away) == (1, "publish")
    assert charter.ledger.witnesses["one"].keys == (ONE,)
    assert charter.ledger.witnesses["two"].url == "http://127.0.0.1:8093"
    assert charter.ledger.witnesses["two"].keys == (TWO, LASTING)


def test_without_a_word_of_it_nobody_cosigns_and_the_boundary_names_the_log(text: str) -> None:
    charter = parse_charter(text, "domicile.toml", today=TODAY).charter
    assert charter.ledger == LedgerConfig()
    assert charter.ledger_origin == "domicile.invalid/us"
    assert charter.ledger.away == "refuse"


@pytest.mark.parametrize(
    ("before", "after", "key_path", "message"),
    [
        ('away = "publish"', 'away = "wait"', "ledger.away", "is not what is expected"),
        ('away = "publish"', 'awy = "publish"', "ledger.awy", "did you mean `away`?"),
        ("cosignatures = 1", "cosignatures = 3", "ledger.cosignatures", "at most 2"),
        ("cosignatures = 1", "cosignatures = 0", "ledger.cosignatures", "equal to 1"),
        ("cosignatures = 1", 'cosignatures = "all"', "ledger.cosignatures", "a whole number"),
        ('origin = "', 'origin = "https://', "ledger.origin", "is no name of a log"),
        ("reel.example/us", "reel example/us", "ledger.origin", "is no name of a log"),
        ("reel.example/us", "reel.example+us", "ledger.origin", "is no name of a log"),
        ('"ledger.reel.example/us"', '""', "ledger.origin", "is no name of a log"),
        ("reel.example/us", "r" * 256, "ledger.origin", "is no name of a log"),
        ("witnesses.one]", "witnesses.One]", "ledger.witnesses.One", "lower-case"),
        (
            'url = "https://witness.example/prefix"\n',
            "",
            "ledger.witnesses.one.url",
            "is missing",
        ),
        ('keys = ["', 'key = ["', "ledger.witnesses.one.key", "did you mean `keys`?"),
        (f'["{ONE}"]', "[]", "ledger.witnesses.one.keys", "at least 1"),
        (f'["{ONE}"]', f'"{ONE}"', "ledger.witnesses.one.keys", "a list in brackets"),
    ],
)
def test_what_is_no_witness_is_refused_at_its_line(
    text: str, before: str, after: str, key_path: str, message: str
) -> None:
    assert before in LEDGER
    changed = text + LEDGER.replace(before, after, 1)
    said = refusal(changed)
    assert f": {key_path}: " in said
    assert message in said
    name = "[ledger.witnesses.one]" if message == "is missing" else key_path.rpartition(".")[2]
    lines = changed.split("\n")
    begin = lines.index("[ledger]")
    at = next(n for n, line in enumerate(lines[begin:], begin + 1) if name in line)
    assert f"domicile.toml:{at}: {key_path}" in said


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("ftp://witness.example", "is not a witness's URL"),
        ("witness.example", "is not a witness's URL"),
        ("https://", "is not a witness's URL"),
        ("https://witness.example:port", "is not a witness's URL"),
        ("https://witness.example:0", "is not a witness's URL"),
        ("https://witness.example/a b", "is not a witness's URL"),
        ("https://witness.example/\\r\\nX: y", "is not a witness's URL"),
        ("https://witnesß.example", "is not a witness's URL"),
        ("https://me:hunter2@witness.example", "holds credentials"),
        ("https://hunter2@witness.example", "holds credentials"),
        ("https://witness.example/?token=hunter2", "goes on after the path"),
        ("https://witness.example/#a", "goes on after the path"),
    ],
)
def test_what_is_no_witnesss_address_is_refused_and_not_repeated(
    text: str, url: str, message: str
) -> None:
    said = refusal(text + LEDGER.replace("https://witness.example/prefix", url))
    assert f"ledger.witnesses.one.url: {message}" in said
    assert "hunter2" not in said


@pytest.mark.parametrize(
    ("vkey", "message"),
    [
        ("", "is no public key"),
        ("witness.example/w1", "is no public key"),
        (ONE[:-1], "is no public key"),
        (ONE.replace("w1+", "w 1+"), "is no public key"),
        (ONE + "=", "is no public key"),
        (ONE.replace("w1+", "w3+"), "does not fit its id"),
        (ONE.replace("+", "+0", 1), "does not fit its id"),
        (key("witness.example/w1", 1, 0x01), "is a log's key, not a witness's"),
        (unknown_key(0x02), "is a key of an unknown kind"),
        (unknown_key(0x06), "is a key of an unknown kind"),
        (key("ledger.reel.example/us", 7), "is the log's own key"),
        (key("witness.example/w2", 7), "is of the same name as ledger.witnesses.one"),
        (TWO, "is the same key as ledger.witnesses.one.keys[0]"),
        (key("witness.example/w3", 2), "is the same key as ledger.witnesses.one.keys[0]"),
    ],
)
def test_a_key_that_is_none_or_serves_twice_is_refused(text: str, vkey: str, message: str) -> None:
    said = refusal(text + LEDGER.replace(ONE, vkey))
    assert f": {message}" in said
    assert ": ledger.witnesses." in said


def test_the_keys_of_one_witness_have_one_name_and_are_different(text: str) -> None:
    other = key("witness.example/w3", 3, 0x06)
    said = refusal(text + LEDGER.replace(LASTING, other))
    assert "ledger.witnesses.two.keys[1]: has another name" in said
    lines = (text + LEDGER.replace(LASTING, other)).split("\n")
    at = next(number for number, line in enumerate(lines, 1) if other in line)
    assert f"domicile.toml:{at}: " in said
    said = refusal(text + LEDGER.replace(LASTING, TWO))
    assert "keys[1]: is the same key as ledger.witnesses.two.keys[0]" in said


def test_the_default_name_of_the_log_is_no_witness_either(text: str) -> None:
    ledger = LEDGER.replace('origin = "ledger.reel.example/us"\n', "")
    said = refusal(text + ledger.replace(ONE, key("domicile.invalid/us", 9)))
    assert "is the log's own key" in said


def test_cosignatures_without_witnesses_are_refused(text: str) -> None:
    said = refusal(text + "[ledger]\ncosignatures = 1\n")
    assert "more cosignatures than there are witnesses" in said
