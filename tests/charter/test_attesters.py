from __future__ import annotations

import base64
from datetime import date

import pytest

from domicile.charter import attester_key, parse_charter
from domicile.errors import CharterError

HEAD = bytes.fromhex("302a300506032b6570032100")


def key(number: int) -> str:
    return base64.b64encode(HEAD + bytes([number]) * 32).decode()


ADDED = f"""
[offline.vault]
country = "SG"
provider = "Iron Harbour"
about = "monthly tapes"

[attesters.backups]
role = "Head of backup operations"
key = "{key(1)}"

[attesters.records]
role = "Records manager"
key = "{key(2)}"
"""


def refusal(text: str) -> str:
    with pytest.raises(CharterError) as caught:
        parse_charter(text, "domicile.toml", today=date(2026, 1, 1))
    return str(caught.value)


def test_offline_places_and_attesters_are_read(text: str) -> None:
    charter = parse_charter(text + ADDED, "domicile.toml", today=date(2026, 1, 1)).charter
    assert charter.offline["vault"].about == "monthly tapes"
    assert attester_key(charter.attesters["backups"].key) == b"\1" * 32


@pytest.mark.parametrize(
    "wrong",
    [
        "",
        "nonsense",
        key(1)[:-4],
        key(1) + "AAAA",
        base64.b64encode(b"\1" * 32).decode(),  # the bare key
        base64.b64encode(bytes.fromhex("302a300506032b656e032100") + b"\1" * 32).decode(),  # X25519
        key(1).replace("A", "Ä", 1),
        f" {key(1)}",
        "-----BEGIN PUBLIC KEY-----",
    ],
)
def test_what_is_no_ed25519_public_key_is_refused_with_its_line(text: str, wrong: str) -> None:
    added = ADDED.replace(key(1), wrong)
    said = refusal(text + added)
    assert "attesters.backups.key: is no public key" in said
    lines = (text + added).split("\n")
    at = next(number for number, line in enumerate(lines, 1) if line == f'key = "{wrong}"')
    assert f"domicile.toml:{at}: " in said


def test_two_attesters_have_two_keys(text: str) -> None:
    said = refusal(text + ADDED.replace(key(2), key(1)))
    assert "attesters.records.key: is the same key as attesters.backups" in said


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("[offline.vault]", "[offline.old_db]", "offline.old_db: is the name of a site as well"),
        ('country = "SG"', 'country = "XX"', 'offline.vault.country: "XX" is no country'),
        ('about = "monthly tapes"\n', "", "offline.vault.about: is missing"),
        ('role = "Records manager"', 'role = ""', "attesters.records.role"),
        ('role = "Records manager"', 'name = "Jo"', "attesters.records.name: unknown key"),
    ],
)
def test_what_cannot_be_meant_is_refused(text: str, old: str, new: str, words: str) -> None:
    start = text if old not in text else text.replace(old, f"{old}  ")
    assert words in refusal(start + ADDED.replace(old, new))
