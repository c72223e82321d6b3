"""Staff from lists: CSV with a header, or JSON, as an employer's directory exports them. Pure, but
for reading the file.

A row has ``id``, ``kind``, ``team``, ``employer``, ``country``, and may have ``manager``,
``human``, ``roles`` (in CSV separated by blanks) and ``status``; what it does not say stays as it
stands. JSON is a list of such objects, or
the answer of a SCIM 2.0 server (RFC 7643/7644): ``Resources`` with ``userName``, ``active`` and the
enterprise extension's ``department``, ``organization`` and ``manager``; ``userType`` is the kind.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
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

__all__ = ["changed_by", "changes", "member_of", "read_list", "record_staff"]

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


def changed_by(standing: Standing, fields: Mapping[str, object], where: str = "") -> Staff:
    """A staff member as these fields say; what they don't say stays as it stands, a ban above all.
    Raises UsageError."""
    before = standing.staff.get(str(fields.get("id", "")))
    known = msgspec.to_builtins(before) if before is not None else {}
    return member_of({**known, **fields}, where)


def read_list(path: Path) -> list[tuple[str, dict[str, object]]]:
    """Everybody in a list: where each stands, and what it says of them. Raises UsageError."""
    try:
        with path.open("rb") as file:
            data = file.read(_MOST_BYTES + 1)
        text = data.decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise _wrong(f"{path.name} cannot be read ({error})") from None
    if len(data) > _MOST_BYTES:
        raise _wrong(f"{path.name} has more than {_MOST_BYTES >> 20} MiB")
    rows = list(_json(text) if text.lstrip()[:1] in ("[", "{") else _csv(text))
    ids = [str(row.get("id")) for _, row in rows]
    if twice := [one for one, times in Counter(ids).items() if times > 1]:
        raise _wrong(f"{twice[0]} is there twice")
    return rows


def changes(
    standing: Standing, rows: Iterable[tuple[str, Mapping[str, object]]], *, whole: bool
) -> list[Staff]:
    """Those who are new or different by a list; with ``whole``, who is not in it has ended. Raises
    UsageError: nobody is taken unless everybody can be."""
    listed = [(where, changed_by(standing, row, where)) for where, row in rows]
    ids = {member.id for _, member in listed}
    for where, member in listed:
        if member.manager and member.manager not in ids and member.manager not in standing.staff:
            raise _wrong(f"{where}: {member.id} would report to {member.manager}, who is nobody")
    changed = [one for _, one in listed if standing.staff.get(one.id) != one]
    if whole:
        gone = [one for one in standing.staff.values() if one.id not in ids]
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
            if None in row:
                raise _wrong(f"line {number} has more fields than the header")
            fields: dict[str, object] = {key: value for key, value in row.items() if value}
            if "roles" in fields:
                fields["roles"] = str(fields["roles"]).split()
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
    if isinstance(found, dict) and found.get("totalResults", len(rows)) != len(rows):
        raise _wrong(f"it is a page of {len(rows)} of {found['totalResults']}: join the pages")
    names = {row.get("id"): row.get("userName") for row in rows if "userName" in row}
    for number, row in enumerate(rows, 1):
        where = f"entry {number}"
        yield where, _of_scim(row, names, where) if "userName" in row else row


def _of_scim(
    row: Mapping[str, Any], names: Mapping[object, object], where: str
) -> dict[str, object]:
    """A SCIM user. The employer is the organisation: it must read company, custodian or other. A
    manager is named by the id of another user in the answer (RFC 7643, section 4.3)."""
    try:
        extension = row.get(_ENTERPRISE) or {}
        manager = (extension.get("manager") or {}).get("value")
        places = row.get("addresses") or [{}]
        said = {
            "id": row["userName"],
            "kind": row.get("userType") or "person",
            "team": extension.get("department"),
            "employer": extension.get("organization"),
            "country": places[0].get("country"),
            "manager": names.get(manager, manager) or "",
            "roles": [role.get("value") for role in row.get("roles") or ()],
            "status": None if row.get("active", True) else "restricted",
        }
    except (AttributeError, TypeError, IndexError, KeyError):
        raise _wrong(f"{where} is no SCIM user") from None
    return {name: value for name, value in said.items() if value is not None}


def _wrong(failed: str) -> UsageError:
    return UsageError(
        f"the staff list is not sound: {failed}",
        expected="id, kind, team, employer and country of each; see docs/policy.md",
        next_step="correct it: nobody was taken",
    )
