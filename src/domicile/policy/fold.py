"""The ledger's entries, one after the other, into how things stand. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Literal

from domicile.errors import AccessForbidden
from domicile.ledger import Body, time_text
from domicile.policy.entries import (
    AccessClosed,
    AccessOpened,
    Agreed,
    CredentialEnded,
    CredentialIssued,
    CredentialPurposeSet,
    GrantChanged,
    KeylessRulesSet,
    RequestAnswered,
    RequestMade,
    RulesSet,
    StaffChanged,
)
from domicile.policy.grants import AccessRequest, status
from domicile.policy.judge import judge
from domicile.policy.staff import Staff
from domicile.policy.standing import Credential, Standing

__all__ = ["COUNTED", "take"]

COUNTED = (
    RulesSet,
    KeylessRulesSet,
    StaffChanged,
    CredentialIssued,
    CredentialEnded,
    CredentialPurposeSet,
    RequestMade,
    RequestAnswered,
    Agreed,
    GrantChanged,
    AccessOpened,
    AccessClosed,
)
"""The kinds that change how things stand."""


def take(standing: Standing, time: str, body: Body) -> str | None:
    """The next entry, of this time. Why it does not count, where it does not: then nothing
    changes, whoever wrote it."""
    standing.size += 1
    time = standing.latest = max(time, standing.latest)
    if not isinstance(body, COUNTED) or body.boundary != standing.boundary:
        return None
    try:
        judge(standing, time, body)
    except AccessForbidden as error:
        return error.failed
    except ValueError:  # a time of this form that is none
        return "it names a time that there is not"
    _change(standing, time, body)
    return None


def _change(standing: Standing, time: str, body: Any) -> None:  # noqa: ANN401 - one of COUNTED
    match body:
        case RequestAnswered():
            _answer(standing, time, body)
        case Agreed():
            _agree(standing, time, body.request, body.by, body.what)
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
        case KeylessRulesSet():
            standing.rules = body.renewed
        case StaffChanged():
            for member in body.staff:
                _change_staff(standing, time, member)
        case CredentialIssued():
            standing.credentials.setdefault(body.credential, Credential(body)).issued = body
            if body.form == "certificate":
                standing.certificates[body.secret_sha256] = body.credential
        case CredentialEnded():
            standing.credentials[body.credential].ended = True
        case CredentialPurposeSet():
            credential = standing.credentials[body.credential]
            credential.purpose, credential.ticket = body.purpose, body.ticket
        case _:
            pass


def _make(standing: Standing, time: str, body: RequestMade) -> None:
    request = AccessRequest(body, time, body.ends)
    request.granted_at = time if body.form == "break-glass" else ""
    standing.requests[body.request] = request
    standing.requests_of.setdefault(body.staff, []).append(body.request)


def _change_staff(standing: Standing, time: str, member: Staff) -> None:
    before = standing.staff.get(member.id)
    if before is not None:
        standing.logins[before.who].remove(member.id)
    standing.staff[member.id] = member
    standing.logins.setdefault(member.who, []).append(member.id)
    if member.status != "active" or (before and before.employer != member.employer):
        for login in standing.logins_of(member):
            _end_all_of(standing, login.id, time)
        _uncount(standing, member.who)


def _uncount(standing: Standing, human: str) -> None:
    """Approvals of somebody who can't approve any more count no longer, nor again later."""
    for request in standing.requests.values():
        if not request.granted_at:
            request.approved_by = [
                one for one in request.approved_by if standing.staff[one].who != human
            ]


def _end_all_of(standing: Standing, staff: str, time: str) -> None:
    for credential in standing.credentials.values():
        if credential.issued.staff == staff:
            credential.ended = True
    for request in standing.of(staff):
        if not request.ended:
            request.ended, request.ended_at = (
                ("revoked" if request.granted_at else "withdrawn"),
                time,
            )


def _answer(standing: Standing, time: str, body: RequestAnswered) -> None:
    request = standing.requests[body.request]
    request.question = body.answer == "asked" or (request.question and body.answer != "informed")
    if body.answer in ("denied", "withdrawn"):
        request.ended = "denied" if body.answer == "denied" else "withdrawn"
        request.ended_at = time
    elif body.answer == "approved":
        _agree(standing, time, body.request, body.by, "approved")


def _agree(
    standing: Standing, time: str, name: str, by: str, what: Literal["approved", "reviewed"]
) -> None:
    request = standing.requests[name]
    assert standing.rules is not None  # noqa: S101 - who agrees is of the rules
    if what == "reviewed":
        request.reviewed_at = time
        if request.made.form == "standing":
            end = _moment(time) + timedelta(days=standing.rules.review_days)
            request.until = max(request.until, time_text(end))
        return
    request.approved_by.append(by)
    request.approvals = _counting(standing, request)
    if request.approvals >= request.needs(standing.rules.approvals):
        _grant(standing, time, request)


def _counting(standing: Standing, request: AccessRequest) -> int:
    humans = set()
    for approver in request.approved_by:
        try:
            standing.may_approve(approver, request)
        except AccessForbidden:
            continue
        humans.add(standing.staff[approver].who)
    return len(humans)


def _grant(standing: Standing, time: str, request: AccessRequest) -> None:
    request.granted_at = time
    extended = standing.requests.get(request.made.extends or "")
    if extended is not None and status(extended, time) in ("active", "scheduled"):
        extended.until = max(extended.until, request.made.ends)


def _change_grant(standing: Standing, time: str, body: GrantChanged) -> None:
    if body.change == "reviewed":
        _agree(standing, time, body.request, body.by, "reviewed")
        return
    request = standing.requests[body.request]
    request.ended, request.ended_at = "revoked", time


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
        written = standing.written_by_job.setdefault(body.job, [])
        written += [asked.dataset] if asked.dataset not in written else []
    for dataset in standing.written_by_job.get(body.job, ()):
        known = standing.derived.setdefault(dataset, [])
        known += [one for one in standing.read_by_job.get(body.job, ()) if one not in known]


def _close(standing: Standing, body: AccessClosed) -> None:
    opened = standing.open.pop(body.access, None)
    if opened is not None:
        caps = opened.caps
        left = body.size_bytes - (caps.size_bytes or 0)
        _use(standing, opened, body.items - (caps.items or 0), left)


def _use(standing: Standing, access: AccessOpened, items: int, size_bytes: int) -> None:
    request = standing.requests.get(access.asked.grant)
    if request is not None:
        request.used_items += items
        request.used_bytes += size_bytes


def _moment(time: str) -> datetime:
    return datetime.fromisoformat(time)
