"""The ledger's entries, one after the other, into how things stand. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from domicile.errors import AccessForbidden
from domicile.ledger import Body, time_text
from domicile.policy.entries import (
    AccessClosed,
    AccessOpened,
    CredentialEnded,
    CredentialIssued,
    GrantChanged,
    RequestAnswered,
    RequestMade,
    RulesSet,
    StaffChanged,
)
from domicile.policy.grants import Held, status
from domicile.policy.judge import judge
from domicile.policy.staff import Staff
from domicile.policy.standing import Credential, Standing

__all__ = ["COUNTED", "take"]

COUNTED = (
    RulesSet,
    StaffChanged,
    CredentialIssued,
    CredentialEnded,
    RequestMade,
    RequestAnswered,
    GrantChanged,
    AccessOpened,
    AccessClosed,
)
"""The kinds that change how things stand."""


def take(standing: Standing, time: str, body: Body) -> str | None:
    """The next entry, of this time. Why it does not count, where it does not: then nothing
    changes, whoever wrote it."""
    standing.size += 1
    if not isinstance(body, COUNTED) or body.boundary != standing.boundary:
        return None
    try:
        judge(standing, time, body)
    except AccessForbidden as error:
        return error.failed
    _change(standing, time, body)
    return None


def _change(standing: Standing, time: str, body: Any) -> None:  # noqa: ANN401 - one of COUNTED
    match body:
        case RequestAnswered():
            _answer(standing, time, body)
        case GrantChanged():
            _change_grant(standing, time, body)
        case AccessOpened():
            _open(standing, body)
        case AccessClosed():
            _close(standing, body)
        case RequestMade():
            _make(standing, time, body)
        case _:
            _change_who(standing, time, body)


def _change_who(standing: Standing, time: str, body: Any) -> None:  # noqa: ANN401 - as above
    match body:
        case RulesSet():
            standing.rules = body
        case StaffChanged():
            for member in body.staff:
                _change_staff(standing, time, member)
        case CredentialIssued():
            standing.credentials[body.credential] = Credential(body)
        case CredentialEnded():
            standing.credentials[body.credential].ended = True
        case _:
            pass


def _make(standing: Standing, time: str, body: RequestMade) -> None:
    held = Held(body, time, body.ends)
    held.granted_at = time if body.form == "break-glass" else ""
    standing.requests[body.request] = held
    standing.requests_of.setdefault(body.staff, []).append(body.request)


def _change_staff(standing: Standing, time: str, member: Staff) -> None:
    before = standing.staff.get(member.id)
    standing.put_staff(member)
    if member.status != "active" or (before and before.employer != member.employer):
        _end_all_of(standing, member.id, time)


def _end_all_of(standing: Standing, staff: str, time: str) -> None:
    for credential in standing.credentials.values():
        if credential.issued.staff == staff:
            credential.ended = True
    for held in standing.of(staff):
        if not held.ended:
            held.ended, held.ended_at = ("revoked" if held.granted_at else "withdrawn"), time


def _answer(standing: Standing, time: str, body: RequestAnswered) -> None:
    held = standing.requests[body.request]
    held.question = body.answer == "asked" or (held.question and body.answer != "informed")
    if body.answer in ("denied", "withdrawn"):
        held.ended = "denied" if body.answer == "denied" else "withdrawn"
        held.ended_at = time
    elif body.answer == "approved":
        held.approved_by.append(body.by)
        assert standing.rules is not None  # noqa: S101 - who approves is of the rules
        if _counting(standing, held) >= standing.rules.approvals:
            _grant(standing, time, held)


def _counting(standing: Standing, held: Held) -> int:
    humans = set()
    for approver in held.approved_by:
        try:
            standing.may_approve(approver, held)
        except AccessForbidden:
            continue
        humans.add(standing.staff[approver].who)
    return len(humans)


def _grant(standing: Standing, time: str, held: Held) -> None:
    held.granted_at = time
    extended = standing.requests.get(held.made.extends or "")
    if extended is not None and status(extended, time) in ("active", "scheduled"):
        extended.until = max(extended.until, held.made.ends)


def _change_grant(standing: Standing, time: str, body: GrantChanged) -> None:
    held = standing.requests[body.request]
    if body.change == "revoked":
        held.ended, held.ended_at = "revoked", time
        return
    held.reviewed_at = time
    if held.made.form == "standing" and standing.rules is not None:
        end = _moment(time) + timedelta(days=standing.rules.review_days)
        held.until = max(held.until, time_text(end))


def _open(standing: Standing, body: AccessOpened) -> None:
    """What an access may take at most counts as taken until it is closed: so accesses side by side
    can't take more than their grant together."""
    asked = body.asked
    standing.open[body.access] = body
    _use(standing, body, body.caps.items or 0, body.caps.size_bytes or 0)
    if asked.grant in standing.requests:
        standing.requests[asked.grant].opened += 1
    if not body.job:
        return
    if asked.action in ("read", "list", "look-up-person"):
        read = standing.read_by_job.setdefault(body.job, [])
        read += [label for label in asked.labels if label not in read]
    elif asked.action in ("write", "export"):
        known = standing.derived.setdefault(asked.dataset, [])
        known += [one for one in standing.read_by_job.get(body.job, ()) if one not in known]


def _close(standing: Standing, body: AccessClosed) -> None:
    opened = standing.open.pop(body.access, None)
    if opened is not None:
        caps = opened.caps
        left = body.size_bytes - (caps.size_bytes or 0)
        _use(standing, opened, body.items - (caps.items or 0), left)


def _use(standing: Standing, access: AccessOpened, items: int, size_bytes: int) -> None:
    held = standing.requests.get(access.asked.grant)
    if held is not None:
        held.used_items += items
        held.used_bytes += size_bytes


def _moment(time: str) -> datetime:
    return datetime.fromisoformat(time)
