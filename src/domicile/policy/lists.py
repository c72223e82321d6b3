"""Staff from lists: CSV with a header, or JSON, as an employer's directory exports them. Pure, but
for reading the file.

A row has ``id``, ``kind``, ``team``, ``employer``, ``country``, and may have ``manager``,
``human``, ``roles`` (in CSV separated by blanks) and ``status``. JSON is a list of such objects, or
the answer of a SCIM 2.0 server (RFC 7643/7644): ``Resources`` with ``userName``, ``active`` and the
enterprise extension's ``department``, ``organization`` and ``manager``; ``userType`` is the kind.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from domicile.charter.countries import COUNTRIES
from domicile.errors import UsageError
from domicile.policy.desk import Desk
from domicile.policy.entries import StaffChanged
from domicile.policy.staff import Staff
from domicile.policy.standing import Standing

__all__ = ["changes", "member_of", "read_list", "record_staff"]

_MOST_BYTES = 64 << 20
_AT_ONCE = 100
_ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"


def member_of(fields: Mapping[str, object], where: str = "") -> Staff:
    """A staff member of these fields. Raises UsageError, which names the field."""
    try:
        member = msgspec.convert(dict(fields), Staff, strict=True)
    except msgspec.ValidationError as error:
        raise _wrong(f"{where}: {error}" if where else str(error)) from None
    if member.country not in COUNTRIES:
        raise _wrong(f"{where or member.id}: {member.country} is no country of ISO 3166-1")
    if member.manager == member.id:
        raise _wrong(f"{where or member.id}: {member.id} would report to themselves")
    return member


def read_list(path: Path) -> list[Staff]:
    """Everybody in a list. Raises UsageError: nobody is taken unless everybody can be."""
    try:
        with path.open("rb") as file:
            data = file.read(_MOST_BYTES + 1)
        text = data.decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise _wrong(f"{path.name} cannot be read ({error})") from None
    if len(data) > _MOST_BYTES:
        raise _wrong(f"{path.name} has more than {_MOST_BYTES >> 20} MiB")
    rows = _json(text) if text.lstrip()[:1] in ("[", "{") else _csv(text)
    members = [member_of(row, where) for where, row in rows]
    ids = [member.id for member in members]
    if len(set(ids)) < len(ids):
        twice = next(one for one in ids if ids.count(one) > 1)
        raise _wrong(f"{twice} is there twice")
    return members


def changes(standing: Standing, members: Iterable[Staff], *, whole: bool) -> list[Staff]:
    """Those who are new or different; with ``whole``, who is not in the list has ended."""
    listed = {member.id: member for member in members}
    changed = [one for one in listed.values() if standing.staff.get(one.id) != one]
    if whole:
        gone = [one for one in standing.staff.values() if one.id not in listed]
        changed += [
            msgspec.structs.replace(one, status="ended") for one in gone if one.status != "ended"
        ]
    return changed


def record_staff(desk: Desk, members: Sequence[Staff], by: str = "") -> None:
    """Have these staff in the ledger. Raises AccessForbidden before any of them is."""
    entries = [
        StaffChanged(desk.boundary, by, tuple(members[at : at + _AT_ONCE]))
        for at in range(0, len(members), _AT_ONCE)
    ]
    for entry in entries:
        desk.check(entry)
    for entry in entries:
        desk.record(entry)


def _csv(text: str) -> Iterator[tuple[str, dict[str, object]]]:
    reader = csv.DictReader(io.StringIO(text), strict=True)
    try:
        for number, row in enumerate(reader, 2):
            fields: dict[str, object] = {key: value for key, value in row.items() if value}
            fields["roles"] = str(fields.get("roles", "")).split()
            if None in row:
                raise _wrong(f"line {number} has more fields than the header")
            yield f"line {number}", fields
    except csv.Error as error:
        raise _wrong(f"line {reader.line_num}: {error}") from None


def _json(text: str) -> Iterator[tuple[str, dict[str, object]]]:
    try:
        found = msgspec.json.decode(text)
    except msgspec.DecodeError as error:
        raise _wrong(str(error)) from None
    rows = found.get("Resources") if isinstance(found, dict) else found
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise _wrong("it is neither a list nor has it Resources")
    for number, row in enumerate(rows, 1):
        yield f"entry {number}", _of_scim(row) if "userName" in row else row


def _of_scim(row: Mapping[str, Any]) -> dict[str, object]:
    """A SCIM user. The employer is the organisation: it must read company, custodian or other."""
    extension = row.get(_ENTERPRISE) or {}
    manager = extension.get("manager") or {}
    places = row.get("addresses") or [{}]
    return {
        "id": row["userName"],
        "kind": row.get("userType") or "person",
        "team": extension.get("department"),
        "employer": extension.get("organization"),
        "country": places[0].get("country"),
        "manager": manager.get("value") or "",
        "roles": [role.get("value") for role in row.get("roles") or ()],
        "status": "active" if row.get("active", True) else "restricted",
    }


def _wrong(failed: str) -> UsageError:
    return UsageError(
        f"the staff list is not sound: {failed}",
        expected="id, kind, team, employer and country of each; see docs/policy.md",
        next_step="correct it: nobody was taken",
    )
