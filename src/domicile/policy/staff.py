"""Staff: who asks for access, whom they work for, and whose line they are in. Pure.

Rules:
1. A login is a staff member; several logins of one human name the same ``human``, and count once.
2. The line of a staff member is everybody above them and everybody below them, by ``manager`` as it
   is, whatever titles say, through every login of each human. A circle of managers ends where it
   began: all in it are in each other's line.
3. Who has ended, or was restricted, or whose application was, may nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

__all__ = ["ROLES", "Employer", "Line", "Role", "Staff", "StaffId", "managers_of"]

StaffId = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9._-]{0,62}\Z")]
"""An identifier that the employer gives; never a name or an address."""
Employer = Literal["company", "custodian", "other"]
Role = Literal[
    "moderation",
    "engineering",
    "product-operations",
    "user-operations",
    "legal",
    "auditor",
]
ROLES: tuple[Role, ...] = (
    "moderation",
    "engineering",
    "product-operations",
    "user-operations",
    "legal",
    "auditor",
)


class Staff(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A person, service or application that asks for access.

    employer: whose they are, as the charter's company, the boundary's custodian, or another's.
    country: where they live or run (ISO 3166-1 alpha-2). manager: the staff member to whom they
    report; of a service or application, who answers for it; empty for nobody. human: who is behind
    the login, the same for each of their logins; by default the login itself. status: `restricted`
    is banned for now, `ended` for good.
    """

    id: StaffId
    kind: Literal["person", "service", "application"]
    team: Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9._-]{0,62}\Z")]
    employer: Employer
    country: Annotated[str, Meta(pattern=r"^[A-Z]{2}\Z")]
    manager: Annotated[str, Meta(pattern=r"^([a-z0-9][a-z0-9._-]{0,62})?\Z")] = ""
    human: Annotated[str, Meta(pattern=r"^([a-z0-9][a-z0-9._-]{0,62})?\Z")] = ""
    roles: tuple[Role, ...] = ()
    status: Literal["active", "restricted", "ended"] = "active"

    @property
    def who(self) -> str:
        """The human behind it, or itself."""
        return self.human or self.id


class Line:
    """Who is in whose line, among these staff."""

    def __init__(self, staff: Mapping[str, Staff]) -> None:
        self._staff = staff
        self._logins: dict[str, list[Staff]] = {}
        for member in staff.values():
            self._logins.setdefault(member.who, []).append(member)

    def logins(self, human: str) -> Sequence[Staff]:
        """The logins of a human."""
        return self._logins.get(human, ())

    def share(self, one: Staff, other: Staff) -> bool:
        """Whether they are the same human, or one of them is above the other."""
        return (
            one.who == other.who
            or other.who in self.above(one.who)
            or one.who in self.above(other.who)
        )

    def above(self, human: str) -> frozenset[str]:
        """The humans to whom somebody reports, through any of their logins, however far up."""
        found: set[str] = set()
        waiting = [human]
        while waiting:
            for login in self.logins(waiting.pop()):
                manager = self._staff.get(login.manager)
                if manager is not None and manager.who not in found:
                    found.add(manager.who)
                    waiting.append(manager.who)
        return frozenset(found)


def managers_of(staff: Mapping[str, Staff], member: Staff) -> Iterator[Staff]:
    """Those above a login by ``manager`` alone, nearest first; a circle ends where it began."""
    seen = {member.id}
    while (above := staff.get(member.manager)) is not None and above.id not in seen:
        seen.add(above.id)
        yield above
        member = above
