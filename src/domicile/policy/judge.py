"""Which entries about staff, requests and grants count, by how things stand before them. Pure.

Rules:
1. Approvers are those whom the charter names, as far as they are active, persons, and employed by
   the custodian. Nobody approves, denies or reviews what is their own or of somebody in their line,
   through whichever login, and each human counts once. An approval counts while its approver may;
   approval and review are signed with the key that the charter names.
2. A request is made by active staff, for at most as long as the rules say. Nobody breaks glass
   again while an earlier break of theirs, through any login, is unreviewed.
3. A grant is revoked by its holder, an approver, or whoever runs the records; with its holder, when
   that one is restricted or ended.
4. Who has ended does not come back: a new login takes a new id.
5. A credential is issued once, and a certificate is one credential. Issued again as it was, it
   ends earlier, and never later.
6. An access is by active staff, who are what the policy was told they are, to what has no further
   labels by then; under their own grant while it is live, where it names one, and takes no more
   than that has left.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

import msgspec

from domicile.ledger import Body
from domicile.policy.agreements import agreement_on, check_signature
from domicile.policy.entries import (
    AccessOpened,
    Agreed,
    Asked,
    CredentialEnded,
    CredentialIssued,
    CredentialPurposeSet,
    GrantChanged,
    RequestAnswered,
    RequestMade,
    StaffChanged,
)
from domicile.policy.grants import AccessRequest, Wanted, status
from domicile.policy.staff import Staff
from domicile.policy.standing import Standing, forbidden, unknown

__all__ = ["judge"]

_MOST_OPEN_REQUESTS = 50  # of one human


def judge(standing: Standing, time: str, body: Body) -> None:
    """Raise AccessForbidden where an entry of this time would not count now."""
    match body:
        case StaffChanged():
            _check_staff(standing, body)
        case CredentialIssued():
            _check_credential(standing, time, body)
        case CredentialEnded() | CredentialPurposeSet():
            _check_known(standing, time, body)
        case RequestMade():
            _check_request(standing, time, body)
        case RequestAnswered():
            _check_answer(standing, time, body)
        case Agreed():
            _check_agreed(standing, time, body)
        case GrantChanged():
            _check_grant(standing, time, body)
        case AccessOpened():
            _check_access(standing, time, body)
        case _:
            pass


def _check_staff(standing: Standing, body: StaffChanged) -> None:
    told = {member.id: member for member in body.staff}
    if len(told) < len(body.staff):
        raise forbidden("a login stands twice in one change", "name each once")
    for member in body.staff:
        _check_human(standing, told, member)
        before = standing.staff.get(member.id)
        if before is not None and before.status == "ended" and before != member:
            raise forbidden(f"{member.id} has ended", "give the login another id")


def _check_human(standing: Standing, told: Mapping[str, Staff], member: Staff) -> None:
    """Or one human would count twice."""
    other = told.get(member.human) or standing.staff.get(member.human)
    if other is not None and other.who != member.human:
        raise forbidden(
            f"{member.id} has the human {member.human}, a login of {other.who}",
            f"name {other.who}",
        )
    mine = [
        told.get(login) or standing.staff[login] for login in standing.logins.get(member.id, ())
    ]
    if member.who != member.id and any(
        one.who == member.id and one.id != member.id for one in (*mine, *told.values())
    ):
        raise forbidden(
            f"{member.id} is the human of other logins, and would have another itself",
            "change these first",
        )


def _check_credential(standing: Standing, time: str, body: CredentialIssued) -> None:
    standing.member(body.staff)
    before = standing.credentials.get(body.credential)
    if before is not None and (before.ended or not _shortens(before.issued, body)):
        raise forbidden(f"credential {body.credential} is there already", "issue another")
    if standing.certificates.get(body.secret_sha256, body.credential) != body.credential:
        raise forbidden("the certificate is a credential already", "have another made")
    if body.until <= time:
        raise forbidden("the credential would have expired already", "name a later end")


def _check_known(
    standing: Standing, time: str, body: CredentialEnded | CredentialPurposeSet
) -> None:
    if body.credential not in standing.credentials:
        raise unknown("credential", body.credential)
    if isinstance(body, CredentialPurposeSet):
        standing.credential(body.credential, time)


def _shortens(before: CredentialIssued, body: CredentialIssued) -> bool:
    """Whether it is the same credential, with an earlier end."""
    same = msgspec.structs.replace(before, by=body.by, until=body.until) == body
    return same and body.until < before.until


def _check_request(standing: Standing, time: str, body: RequestMade) -> None:
    member = standing.member(body.staff)
    if standing.rules is None or not standing.rules.approvers:
        raise forbidden(
            "the charter names nobody who could approve",
            "name the custodian's approvers in [boundaries.NAME.access]",
        )
    if body.request in standing.requests:
        raise forbidden(f"request {body.request} is there already", "make another")
    if not body.starts < body.ends or body.ends <= time:
        raise forbidden("its end is not behind its start and now", "name a later end")
    _check_length(standing, time, body)
    if body.extends is not None:
        _check_extension(standing, time, body, body.extends)
    mine = [request for login in standing.logins_of(member) for request in standing.of(login.id)]
    if (
        sum(status(request, time) in ("open", "question") for request in mine)
        >= _MOST_OPEN_REQUESTS
    ):
        raise forbidden(
            f"{_MOST_OPEN_REQUESTS} requests of {member.who} are open", "wait for an answer"
        )
    owed = next((request for request in mine if request.owes_review), None)
    if body.form == "break-glass" and owed is not None:
        raise forbidden(
            f"glass that was broken before, {owed.id}, is not reviewed yet",
            f"have an approver run `domicile access review {owed.id}`",
        )


def _check_length(standing: Standing, time: str, body: RequestMade) -> None:
    rules = standing.rules
    assert rules is not None  # noqa: S101 - the caller saw to it
    longest = {
        "ordinary": timedelta(days=rules.longest_days),
        "standing": timedelta(days=rules.review_days),
        "break-glass": timedelta(hours=rules.break_glass_hours),
    }[body.form]
    if body.form == "break-glass" and body.starts > time:
        raise forbidden("breaking glass begins at once", "name no start")
    starts = max(body.starts, time)
    if body.extends is not None:
        if body.starts > time:
            raise forbidden("an extension begins at once", "name no start")
        starts = time
    if _moment(body.ends) - _moment(starts) > longest:
        raise forbidden(
            f"a grant that is {body.form} lasts {_days(longest)} at most", "ask for less"
        )


def _check_extension(standing: Standing, time: str, body: RequestMade, extends: str) -> None:
    grant = standing.requests.get(extends)
    if grant is None or grant.made.staff != body.staff:
        raise forbidden(f"{extends} is no grant of {body.staff}", "name one that is")
    if status(grant, time) not in ("active", "scheduled") or grant.made.form != "ordinary":
        raise forbidden(f"{extends} can't be extended any more", "make a new request")
    before, same = grant.made, msgspec.structs.replace
    if (
        same(
            body,
            request=before.request,
            starts=before.starts,
            ends=before.ends,
            extends=None,
            reason_sha256=before.reason_sha256,
        )
        != before
    ):
        raise forbidden("an extension asks for the same, longer", "make a new request")


def _check_answer(standing: Standing, time: str, body: RequestAnswered) -> None:
    if body.answer == "approved":
        _check_unsigned(standing, body.by)
        _check_approval(standing, time, body.request, body.by)
        return
    request = _open_request(standing, time, body.request)
    if body.answer not in ("informed", "withdrawn"):
        standing.may_approve(body.by, request)
    elif standing.member(body.by).who != _human(standing, request):
        raise forbidden(f"request {request.id} is not {body.by}'s", "name your own")


def _check_agreed(standing: Standing, time: str, body: Agreed) -> None:
    check = _check_approval if body.what == "approved" else _check_review
    request = check(standing, time, body.request, body.by)
    rules = standing.rules
    assert rules is not None  # noqa: S101 - who agrees is of the rules
    agreement = agreement_on(request, body.by, rules)
    check_signature(agreement, rules.approvers[body.by], body.signature)


def _check_unsigned(standing: Standing, by: str) -> None:
    if standing.rules is not None and standing.rules.approvers.get(by):
        raise forbidden(
            f"{by} agrees with a signature", "name the key: domicile access approve --key"
        )


def _check_approval(standing: Standing, time: str, name: str, by: str) -> AccessRequest:
    request = _open_request(standing, time, name)
    standing.may_approve(by, request)
    if standing.staff[by].who in {standing.staff[one].who for one in request.approved_by}:
        raise forbidden(f"{by} approved {request.id} before", "another approver must agree")
    return request


def _open_request(standing: Standing, time: str, name: str) -> AccessRequest:
    request = standing.request(name)
    now = status(request, time)
    if now not in ("open", "question"):
        raise forbidden(f"request {request.id} is {now}", "see `domicile access show`")
    return request


def _check_grant(standing: Standing, time: str, body: GrantChanged) -> None:
    if body.change == "reviewed":
        _check_unsigned(standing, body.by)
        _check_review(standing, time, body.request, body.by)
        return
    request = standing.request(body.request)
    now = status(request, time)
    if now not in ("scheduled", "active", "exhausted"):
        raise forbidden(f"{request.id} is {now}: there is nothing to revoke", "nothing is left")
    if body.by and standing.staff.get(body.by) != standing.staff[request.made.staff]:
        _check_approver(standing, body.by)


def _check_review(standing: Standing, time: str, name: str, by: str) -> AccessRequest:
    request = standing.request(name)
    if not request.granted_at:
        raise forbidden(f"{request.id} is no grant", "see `domicile access show`")
    standing.may_approve(by, request)
    if request.made.form == "ordinary":
        raise forbidden(f"{request.id} is to end, not to be reviewed", "let it end, or revoke it")
    if request.made.form == "standing" and status(request, time) != "active":
        raise forbidden(f"{request.id} is {status(request, time)}", "make a new request")
    return request


def _check_approver(standing: Standing, staff: str) -> None:
    member = standing.member(staff)
    is_ours = member.kind == "person" and member.employer == "custodian"
    if standing.rules is None or staff not in standing.rules.approvers or not is_ours:
        raise forbidden(f"{staff} is neither its holder nor an approver", "ask one of them")


def _check_access(standing: Standing, time: str, body: AccessOpened) -> None:
    asked = body.asked
    _check_facts(standing, asked)
    if body.access in standing.open:
        raise forbidden(f"access {body.access} is there already", "open another")
    if body.credential is not None:
        standing.credential(body.credential, time)
    if asked.grant:
        _check_use(standing, time, body)
    elif asked.approvals or asked.break_glass:
        raise forbidden("it names no grant that was approved", "ask again")


def _check_use(standing: Standing, time: str, body: AccessOpened) -> None:
    """Of a grant."""
    asked = body.asked
    request = standing.requests.get(asked.grant)
    if request is None or request.made.staff != asked.staff:
        raise unknown(f"grant of {asked.staff}", asked.grant)
    now = status(request, time)
    if now != "active":
        raise forbidden(f"grant {request.id} is {now}", "ask for another")
    as_granted = asked.approvals, asked.break_glass
    if as_granted != (request.approvals, request.made.form == "break-glass"):
        raise forbidden(f"grant {request.id} was approved otherwise", "ask again")
    if request.made.person is not None and not asked.single:
        raise forbidden(f"grant {request.id} is about one person", "ask about that one")
    wanted = Wanted(
        asked.action, asked.dataset, asked.purpose, asked.ticket, asked.single, body.person
    )
    if not request.covers(wanted):
        raise forbidden(f"grant {request.id} is not for this", "ask for what you need")
    left = request.left()
    for most, has in ((body.caps.items, left.items), (body.caps.size_bytes, left.size_bytes)):
        if has is not None and (most is None or most > has):
            raise forbidden(f"grant {request.id} has less left than that", "take less")


def _check_facts(standing: Standing, asked: Asked) -> None:
    """What the policy was told of the caller and the dataset is so."""
    member = standing.member(asked.staff)
    told = asked.kind, asked.team, asked.employed_by, asked.home_country, asked.roles
    if told != (member.kind, member.team, member.employer, member.country, member.roles):
        raise forbidden(f"{asked.staff} is not what the policy was told of them", "ask again")
    if not set(standing.derived.get(asked.dataset, ())) <= set(asked.labels):
        raise forbidden(f"{asked.dataset} has further labels by now", "ask again")


def _human(standing: Standing, request: AccessRequest) -> str:
    return standing.staff[request.made.staff].who


def _moment(time: str) -> datetime:
    return datetime.fromisoformat(time)


def _days(length: timedelta) -> str:
    return f"{length.days} days" if length.days else f"{length.seconds // 3600} hours"
