"""How staff, credentials, requests and grants stand, from the ledger's entries alone. Pure.

`domicile.policy.fold` takes the entries, `domicile.policy.judge` says which of them count. So a
database that was set back to yesterday changes nothing: the ledger says what was revoked since.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cached_property

import msgspec

from domicile.errors import AccessForbidden, Unknown
from domicile.policy.entries import AccessOpened, Action, CredentialIssued, RulesSet
from domicile.policy.grants import Held, status
from domicile.policy.staff import Line, Staff

__all__ = ["Credential", "Standing", "forbidden", "unknown"]


class Credential(msgspec.Struct):
    """What somebody shows to be who they are; its secret is elsewhere."""

    issued: CredentialIssued
    ended: bool = False


class Standing(msgspec.Struct, dict=True):
    """How things stand after ``size`` entries of the ledger, for one boundary.

    requests_of: the requests of each login, by their names. open: accesses that were not closed.
    read_by_job: the labels of what each run of a job has read. derived: those that datasets have
    from the jobs that wrote them.
    """

    boundary: str
    size: int = 0
    rules: RulesSet | None = None
    staff: dict[str, Staff] = {}
    credentials: dict[str, Credential] = {}
    requests: dict[str, Held] = {}
    requests_of: dict[str, list[str]] = {}
    open: dict[str, AccessOpened] = {}
    read_by_job: dict[str, list[str]] = {}
    derived: dict[str, list[str]] = {}

    @cached_property
    def line(self) -> Line:
        """Who is in whose line, until staff change. It is not written down with the rest."""
        return Line(self.staff)

    def put_staff(self, member: Staff) -> None:
        """A staff member is from here on as they stand here."""
        self.staff[member.id] = member
        self.__dict__.pop("line", None)

    def member(self, staff: str) -> Staff:
        """An active staff member. Raises AccessForbidden."""
        member = self.staff.get(staff)
        if member is None:
            raise unknown("staff member", staff)
        if member.status != "active":
            raise forbidden(f"{staff} is {member.status}", "ask those who keep the staff list")
        return member

    def credential(self, name: str, now: str) -> Credential:
        """A credential that is good now. Raises AccessForbidden."""
        found = self.credentials.get(name)
        if found is None:
            raise unknown("credential", name)
        if found.ended or now >= found.issued.until:
            why = "was ended" if found.ended else f"expired at {found.issued.until}"
            raise forbidden(f"credential {name} {why}", "ask for a new one")
        self.member(found.issued.staff)
        return found

    def grant_for(
        self,
        staff: str,
        action: Action,
        dataset: str,
        purpose: str,
        ticket: str,
        now: str,
    ) -> Held | None:
        """The live grant that covers such an access, the one that lasts longest."""
        live = [
            held
            for held in self.of(staff)
            if held.covers(action, dataset, purpose, ticket) and status(held, now) == "active"
        ]
        return max(live, key=lambda held: (held.until, held.id), default=None)

    def of(self, staff: str) -> Iterator[Held]:
        """The requests of a login, oldest first."""
        return (self.requests[one] for one in self.requests_of.get(staff, ()))

    def labels(self, dataset: str, own: Iterable[str]) -> tuple[str, ...]:
        """A dataset's labels: its own, and those of what the jobs read that wrote it."""
        return tuple(sorted({*own, *self.derived.get(dataset, ())}))

    def may_approve(self, approver: str, held: Held) -> None:
        """Raise AccessForbidden where somebody's word on a request does not count."""
        member = self.member(approver)
        if self.rules is None or approver not in self.rules.approvers:
            raise forbidden(
                f"{approver} is none of the charter's approvers", "ask one of the custodian's"
            )
        if member.employer != "custodian" or member.kind != "person":
            raise forbidden(f"{approver} is no person employed by the custodian", "ask one who is")
        holder = self.staff[held.made.staff]
        if member.who == holder.who:
            raise forbidden(f"{approver} would approve their own request", "ask another approver")
        if self.line.share(member, holder):
            raise forbidden(
                f"{approver} is in the line of {holder.id}, who asks", "ask another approver"
            )


def unknown(what: str, name: str) -> Unknown:
    """That nobody knows of such a thing."""
    return Unknown(f"there is no {what} {name}", next_step="check the name")


def forbidden(failed: str, next_step: str) -> AccessForbidden:
    """A rule forbids it."""
    return AccessForbidden(failed, next_step=next_step)
