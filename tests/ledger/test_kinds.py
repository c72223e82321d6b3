"""Kinds of entry are closed and stay as they were released; none has room for who somebody is."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

import domicile.cli.kinds  # noqa: F401 - every kind there is
from domicile.ledger.entries import registered_kinds
from scripts.freeze_kinds import FROZEN, broken_kinds, kinds_now

_IDENTIFYING = re.compile(
    r"(^|_)(accounts?|address(es)?|authors?|birthday|born|contacts?|country|dob|e?mails?|employees?"
    r"|face|first|handles?|id|identifiers?|ids|imei|ip|keys?|last|latitude|logins?|longitude"
    r"|members?|msisdn|names?|nickname|owners?|passport|persons?|phones?|profiles?|senders?|ssn"
    r"|staff|subjects?|surname|tel|telephone|users?|usernames?)(_|\d|$)"
)
_ALLOWED = {
    ("custody.persons-readmitted/1", "persons"): "a count",
    ("custody.shred-condemned/1", "persons"): "a count",
    ("custody.shred-done/1", "persons"): "a count",
    ("custody.shred-requested/1", "persons"): "a count",
    ("people.frozen/1", "persons"): "a count",
    ("access.credential-issued/1", "staff"): "a login",
    ("access.denied/1", "country"): "a country of staff",
    ("access.denied/1", "home_country"): "a country of staff",
    ("access.denied/1", "person"): "a pseudonym",
    ("access.denied/1", "staff"): "a login",
    ("access.opened/1", "country"): "a country of staff",
    ("access.opened/1", "home_country"): "a country of staff",
    ("access.opened/1", "person"): "a pseudonym",
    ("access.opened/1", "staff"): "a login",
    ("access.refused/1", "staff"): "a login",
    ("access.request-made/1", "person"): "a pseudonym",
    ("access.request-made/1", "staff"): "a login",
    ("access.staff-changed/1", "country"): "a country of staff",
    ("access.staff-changed/1", "id"): "a login",
    ("access.staff-changed/1", "staff"): "staff, by their logins",
    ("people.frozen/1", "members"): "a count",
}


def properties(schema: Any) -> Iterator[tuple[str, Any]]:  # noqa: ANN401 - JSON
    """Every field of a schema, those of its parts too."""
    if isinstance(schema, dict):
        yield from schema.get("properties", {}).items()
        for part in schema.values():
            yield from properties(part)
    elif isinstance(schema, list):
        for part in schema:
            yield from properties(part)


def suspicious(kinds: Mapping[str, object]) -> set[tuple[str, str]]:
    """Fields that may tell who somebody is, by a word of their name."""
    return {
        (kind, field)
        for kind, schema in kinds.items()
        for field, _ in properties(schema)
        if _IDENTIFYING.search(field.lower())
    }


def test_released_kinds_are_as_they_were_frozen_and_new_ones_are_frozen_too() -> None:
    frozen, now = json.loads(FROZEN.read_text(encoding="utf-8")), kinds_now()
    assert list(broken_kinds(frozen, now)) == []
    assert set(now) - set(frozen) == set(), "run scripts/freeze_kinds.py once they are released"


def test_every_kind_of_the_house_is_looked_at() -> None:
    ours = {
        f"{kind}/{version}"
        for kind, version, body in registered_kinds()
        if body.__module__.startswith("domicile.")
    }
    assert len(ours) > 15
    assert set(kinds_now()) == {*ours, "envelope"}


@pytest.mark.parametrize(
    "change",
    [
        lambda schema: schema["properties"].pop("site"),
        lambda schema: schema["properties"].update(more={"type": "string"}),
        lambda schema: schema["properties"]["site"].update(type="integer"),
        lambda schema: schema["required"].remove("site"),
        lambda schema: schema.update(additionalProperties=True),
    ],
)
def test_any_change_to_a_released_kind_is_told(change: Any) -> None:  # noqa: ANN401 - a lambda
    now = kinds_now()
    frozen = json.loads(json.dumps(now))
    change(frozen["erase.certified/1"])
    (told,) = broken_kinds(frozen, now)
    assert told.startswith("erase.certified/1 was changed")


def test_a_kind_that_is_gone_is_told() -> None:
    (told,) = broken_kinds({**kinds_now(), "move.gone/1": {}}, kinds_now())
    assert told.startswith("move.gone/1 is gone")


def test_what_was_frozen_is_never_overwritten(tmp_path: Path) -> None:
    code = (
        "import sys, scripts.freeze_kinds as s; from pathlib import Path;"
        f" s.FROZEN = Path({str(tmp_path / 'kinds.json')!r}); sys.exit(s.main())"
    )
    root = FROZEN.parent.parent.parent

    def freeze() -> int:
        return subprocess.run([sys.executable, "-c", code], cwd=root, check=False).returncode

    assert freeze() == 0
    assert json.loads((tmp_path / "kinds.json").read_text()) == kinds_now()
    altered = {**kinds_now(), "erase.certified/1": {}}
    (tmp_path / "kinds.json").write_text(json.dumps(altered))
    assert freeze() == 1
    assert json.loads((tmp_path / "kinds.json").read_text()) == altered


def test_no_field_has_the_name_of_what_tells_who_somebody_is() -> None:
    assert suspicious(kinds_now()) == set(_ALLOWED)


class _Owner(msgspec.Struct):
    phone_2: str


class _Told(msgspec.Struct):
    run: str
    display_name: str
    owner: tuple[_Owner, ...]


def test_such_a_name_is_seen_wherever_it_stands() -> None:
    found = suspicious({"told/1": msgspec.json.schema(_Told)})
    assert {field for _, field in found} == {"display_name", "owner", "phone_2"}


_LOOKS = {
    "a count": '"type": "integer"',
    "a login": r"^[a-z0-9][a-z0-9._-]{0,62}\Z",
    "a country of staff": "[A-Z]{2}",
    "a pseudonym": r"^p-[a-z2-7]{25}[aeimquy4]\Z",
    "staff, by their logins": '"id", "kind", "team", "employer", "country"',
}


def test_what_is_allowed_looks_like_what_it_is_allowed_for() -> None:
    for (kind, name), reason in _ALLOWED.items():
        (field,) = {
            json.dumps(field) for found, field in properties(kinds_now()[kind]) if found == name
        }
        assert _LOOKS[reason].replace("\\", "\\\\") in field, (kind, name)
