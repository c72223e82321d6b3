"""A small office for tests: entries with little to write, taken in order."""

# ruff: noqa: ANN401 - what is replaced may be anything
from __future__ import annotations

from functools import cache
from hashlib import sha256
from typing import Any

from msgspec.structs import replace

from domicile.ledger import Body, FileSigner
from domicile.ledger.base64 import encode_base64
from domicile.policy.agreements import Agreement, agreement_note, agreement_on
from domicile.policy.entries import (
    AccessClosed,
    AccessOpened,
    Agreed,
    Asked,
    Caps,
    CredentialEnded,
    CredentialIssued,
    GrantChanged,
    RequestAnswered,
    RequestMade,
    RulesSet,
    StaffChanged,
)
from domicile.policy.fold import take
from domicile.policy.staff import Staff
from domicile.policy.standing import Standing

US = "us"
DIGEST = "0" * 64
LOG = "domicile/ledger/loopreel"
UNSIGNED = f"{'A' * 86}=="
_NO_CAPS = Caps()


def at(minutes: int) -> str:
    """A time, so many minutes after the beginning, as entries write it."""
    days, rest = divmod(minutes, 24 * 60)
    return f"2026-01-{1 + days:02d}T{rest // 60:02d}:{rest % 60:02d}:00.000Z"


def name(letter: str, number: int) -> str:
    """A name of a request, credential or access."""
    return f"{letter}-{'abcdefghijklmnopqrstuvwxyz'[number % 26] * 12}{'abcdefgh'[number // 26]}"


def person(
    staff: str, employer: Any = "custodian", manager: str = "", human: str = "", **more: Any
) -> Staff:
    """A person."""
    country = "US" if employer == "custodian" else "SG"
    return Staff(staff, "person", "a-team", employer, country, manager, human, **more)


@cache
def key(staff: str) -> FileSigner:
    """An approver's key."""
    return FileSigner(f"custodian.example/{staff}", sha256(staff.encode()).digest())


def rules(*approvers: str, approvals: int = 2) -> RulesSet:
    """Rules."""
    keys = {one: key(one).vkey for one in approvers}
    return RulesSet(US, LOG, keys, approvals, 5, 10, 4)


def hired(*staff: Staff) -> StaffChanged:
    """Staff as they are."""
    return StaffChanged(US, "", staff)


def asked_for(number: int, staff: str, starts: int, ends: int, **more: Any) -> RequestMade:
    """A request to read videos."""
    fields: dict[str, Any] = {
        "form": "ordinary",
        "actions": ("read",),
        "datasets": ("videos",),
        "purpose": "engineering",
        "ticket": "",
        "caps": Caps(),
        "reason_sha256": DIGEST,
    }
    fields |= more
    return RequestMade(US, name("r", number), staff, starts=at(starts), ends=at(ends), **fields)


def answered(number: int, by: str, answer: Any = "approved") -> RequestAnswered | Agreed:
    """An answer; an approval is signed when it is taken."""
    if answer == "approved":
        return Agreed(US, name("r", number), by, "approved", UNSIGNED)
    return RequestAnswered(US, name("r", number), by, answer)


def changed(number: int, by: str, change: Any = "revoked") -> GrantChanged | Agreed:
    """A revocation, or a review, which is signed when it is taken."""
    if change == "reviewed":
        return Agreed(US, name("r", number), by, "reviewed", UNSIGNED)
    return GrantChanged(US, name("r", number), by, change)


def signature(agreement: Agreement, by: str) -> str:
    """Under an approver's key."""
    return encode_base64(key(by).sign(agreement_note(agreement).text.encode()))


def issued(number: int, staff: str, until: int) -> CredentialIssued:
    """A credential."""
    return CredentialIssued(
        US, "", name("c", number), staff, "token", DIGEST, second_factor=False, until=at(until)
    )


def ended(number: int) -> CredentialEnded:
    """Its end."""
    return CredentialEnded(US, "", name("c", number))


def question(staff: str, grant: int | None = None, **more: Any) -> Asked:
    """To read videos, for engineering."""
    fields: dict[str, Any] = {
        "kind": "person",
        "team": "a-team",
        "employed_by": "company",
        "home_country": "SG",
        "roles": (),
        "action": "read",
        "dataset": "videos",
        "labels": ("protected",),
        "purpose": "engineering",
        "ticket": "",
        "country": "SG",
        "inside": False,
        "second_factor": False,
        "single": False,
    }
    fields |= more
    return Asked(staff, grant="" if grant is None else name("r", grant), **fields)


def opened(
    number: int,
    staff: str,
    grant: int | None,
    caps: Caps = _NO_CAPS,
    *,
    job: str = "",
    credential: str | None = None,
) -> AccessOpened:
    """An access."""
    return AccessOpened(
        US,
        DIGEST,
        name("a", number),
        question(staff, grant),
        ("granted",),
        caps,
        credential,
        job=job,
    )


def closed(number: int, items: int = 0, size_bytes: int = 0) -> AccessClosed:
    """Its end."""
    return AccessClosed(US, name("a", number), items, size_bytes, "whole")


def took(standing: Standing, *timed: tuple[int, Body]) -> list[str | None]:
    """Take entries at these minutes, accesses with the facts that the desk would have told of them,
    agreements signed: why each does not count, where it does not."""
    return [take(standing, at(minutes), _as_told(standing, body)) for minutes, body in timed]


def _as_told(standing: Standing, body: Body) -> Body:
    if isinstance(body, Agreed) and body.signature == UNSIGNED:
        request = standing.requests.get(body.request)
        if request is None or standing.rules is None:
            return body
        agreement = agreement_on(request, body.by, standing.rules)
        return replace(body, signature=signature(agreement, body.by))
    if not isinstance(body, AccessOpened):
        return body
    asked = body.asked
    member, request = standing.staff.get(asked.staff), standing.requests.get(asked.grant)
    if member is not None:
        asked = replace(
            asked,
            kind=member.kind,
            team=member.team,
            employed_by=member.employer,
            home_country=member.country,
            roles=member.roles,
        )
    if request is not None:
        asked = replace(
            asked,
            approvals=request.approvals,
            break_glass=request.made.form == "break-glass",
            single=asked.single or request.made.person is not None,
        )
    return replace(body, asked=asked)


def office() -> Standing:
    """Four approvers, one of them twice; a company's engineer and their managers."""
    standing = Standing(US)
    staff = hired(
        person("ann"),
        person("ann-2", human="ann"),
        person("bo"),
        person("cy"),
        person("boss", "company"),
        person("kim", "company", "boss"),
        person("lee", "company", "boss"),
    )
    assert took(standing, (0, rules("ann", "ann-2", "bo", "cy", "boss")), (0, staff)) == [None] * 2
    return standing
