"""The search for identifiers finds them: what passes it elsewhere passes since none is there."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from domicile.ledger import Entry, FileDigest, Ledger
from domicile.ledger.disk import Disk
from tests.ledger.identifiers import traces
from tests.ledger.world import BEGIN, CHARTER, ORIGIN, SIGNER, Noted

PLANTED = {
    "an address": "planted.person@quux-example.org",
    "a phone number": "+1 (555) 867-5309-77",
    "a name": "Zéphyrine Quattlebaum",
    "a handle": "@zeph_quattle_77",
    "an id": "7712345678901234561",
}
Disguise = Callable[[str], str]
DISGUISES: dict[str, Disguise] = {
    "none": str,
    "upper case": str.upper,
    "hex": lambda value: value.encode().hex(),
    "base64": lambda value: base64.b64encode(f"x{value}".encode()).decode(),
    "json": json.dumps,
    "a hash": lambda value: hashlib.sha256(value.encode()).hexdigest(),
    "a weak hash": lambda value: hashlib.md5(value.encode(), usedforsecurity=False).hexdigest(),
}


def write(directory: Path, *entries: Entry) -> None:
    with Ledger.open(directory, [SIGNER], ORIGIN, disk=Disk()) as ledger:
        ledger.append(list(entries))


def entry(text: str, path: str = "a") -> Entry:
    return Entry(Noted(text, (FileDigest(path, "0" * 64, 0),)), BEGIN, CHARTER)


@pytest.mark.parametrize("disguise", DISGUISES)
@pytest.mark.parametrize("what", PLANTED)
def test_a_planted_identifier_is_found_in_the_log_and_in_its_journal(
    tmp_path: Path, what: str, disguise: str
) -> None:
    value = PLANTED[what]
    write(tmp_path, entry(f"shard failed: {DISGUISES[disguise](value)}"))
    assert traces(tmp_path / "tile" / "entries", PLANTED.values()) == {value}
    assert traces(tmp_path / ".log" / "journal", PLANTED.values()) == {value}


def test_an_identifier_in_the_name_of_a_file_is_found(tmp_path: Path) -> None:
    write(tmp_path, entry("a", f"runs/{PLANTED['an id']}.parquet"))
    assert traces(tmp_path, PLANTED.values()) == {PLANTED["an id"]}
    (tmp_path / PLANTED["a handle"]).mkdir()
    assert PLANTED["a handle"] in traces(tmp_path, PLANTED.values())


def test_nothing_is_found_where_nothing_was_planted(tmp_path: Path) -> None:
    write(tmp_path, *(entry(f"number {number}") for number in range(700)))
    assert traces(tmp_path, PLANTED.values()) == set()
