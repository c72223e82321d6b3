"""How staff, credentials, requests and grants stand, from the ledger's entries alone. Pure.

`domicile.policy.fold` takes the entries, `domicile.policy.judge` says which of them count. So a
database that was set back to yesterday changes nothing: the ledger says what was revoked since.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from domicile.errors import AccessForbidden, Unknown
from domicile.policy.entries import AccessOpened, CredentialIssued, RulesSet
from domicile.policy.grants import AccessRequest, Wanted, status
from domicile.policy.staff import Line, Staff

__all__ = ["Credential", "Standing", "forbidden", "unknown"]


class Credential(msgspec.Struct):
    """What somebody shows to be who they are; its secret is elsewhere. purpose, ticket: what it is
    for where nothing is said; empty where that is nothing."""

    issued: CredentialIssued
    ended: bool = False
    purpose: str = ""
    ticket: str = ""

    def is_over(self, now: str) -> bool:
        """Whether it was ended, or has expired."""
        return self.ended or now >= self.issued.until


class Standing(msgspec.Struct):
    """How things stand after ``size`` entries of the ledger, for one boundary.

    latest: the latest time of an entry so far. logins: those of each human. requests_of: the
    requests of each login, by their names. open: accesses that were not closed. read_by_job: the
    labels of what each run of a job has read; written_by_job: the datasets it wrote. derived: the
    labels that datasets have from the jobs that wrote them. certificates: the credential of each,
    by its SHA-256.
    """

    boundary: str
    size: int = 0
    latest: str = ""
    rules: RulesSet | None = None
    staff: dict[str, Staff] = {}
    logins: dict[str, list[str]] = {}
    credentials: dict[str, Credential] = {}
    certificates: dict[str, str] = {}
    requests: dict[str, AccessRequest] = {}
    requests_of: dict[str, list[str]] = {}
    open: dict[str, AccessOpened] = {}
    read_by_job: dict[str, list[str]] = {}
    written_by_job: dict[str, list[str]] = {}
    derived: dict[str, list[str]] = {}

    def member(self, staff: str) -> Staff:
        """An active staff member. Raises AccessForbidden."""
        member = self.staff.get(staff)
        if member is None:
            raise unknown("staff member", staff)
        ask = "ask those who keep the staff list"
        if member.status != "active":
            raise forbidden(f"{staff} is {member.status}", ask)
        for login in self.logins_of(member):
            if login.status == "restricted":
                raise forbidden(f"{staff} is restricted, as {login.id}", ask)
        answers = self.staff.get(member.manager) if member.kind != "person" else None
        if answers is not None and answers.status != "active":
            raise forbidden(f"{answers.id}, who answers for {staff}, is {answers.status}", ask)
        return member

    def logins_of(self, member: Staff) -> list[Staff]:
        """All logins of the human behind one."""
        return [self.staff[login] for login in self.logins.get(member.who, ())]

    def credential(self, name: str, now: str) -> Credential:
        """A credential that is good now. Raises AccessForbidden."""
        found = self.credentials.get(name)
        if found is None:
            raise unknown("credential", name)
        if found.is_over(now):
            why = "was ended" if found.ended else f"expired at {found.issued.until}"
            raise forbidden(f"credential {name} {why}", "ask for a new one")
        self.member(found.issued.staff)
        return found

    def grant_for(self, staff: str, wanted: Wanted, now: str) -> AccessRequest | None:
        """The live grant that covers such an access, the one that lasts longest."""
        live = [
            request
            for request in self.of(staff)
            if request.covers(wanted) and status(request, now) == "active"
        ]
        return max(live, key=lambda request: (request.until, request.id), default=None)

    def request(self, name: str) -> AccessRequest:
        """A request or grant. Raises Unknown."""
        found = self.requests.get(name)
        if found is None:
            raise unknown("request", name)
        return found

    def of(self, staff: str) -> Iterator[AccessRequest]:
        """The requests of a login, oldest first."""
        return (self.requests[one] for one in self.requests_of.get(staff, ()))

    def labels(self, dataset: str, own: Iterable[str]) -> tuple[str, ...]:
        """A dataset's labels: its own, and those of what the jobs read that wrote it."""
        return tuple(sorted({*own, *self.derived.get(dataset, ())}))

    def may_approve(self, approver: str, request: AccessRequest) -> None:
        """Raise AccessForbidden where somebody's word on a request does not count."""
        member = self.member(approver)
        if self.rules is None or approver not in self.rules.approvers:
            raise forbidden(
                f"{approver} is none of the charter's approvers", "ask one of the custodian's"
            )
        logins = [one for one in self.logins_of(member) if one.status == "active"]
        if member.kind != "person" or any(one.employer != "custodian" for one in logins):
            raise forbidden(f"{approver} is no person employed by the custodian", "ask one who is")
        holder = self.staff[request.made.staff]
        if member.who == holder.who:
            raise forbidden(f"{approver} would approve their own request", "ask another approver")
        if Line(self.staff, self.logins).share(member, holder):
            raise forbidden(
                f"{approver} is in the line of {holder.id}, who asks", "ask another approver"
            )


def unknown(what: str, name: str) -> Unknown:
    """That nobody knows of such a thing."""
    return Unknown(f"there is no {what} {name}", next_step="check the name")


def forbidden(failed: str, next_step: str) -> AccessForbidden:
    """A rule forbids it."""
    return AccessForbidden(failed, next_step=next_step)
