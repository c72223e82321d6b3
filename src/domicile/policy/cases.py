"""Cases for a policy: questions with the answers that they must get, in TOML.

A file has ``[defaults]``, whose facts every case begins with, and ``[[case]]`` tables::

    [[case]]
    name = "an engineer abroad is denied"
    staff = { employer = "company", country = "SG", roles = ["engineering"] }
    dataset = { labels = ["protected", "user.contact"] }
    action = "read"
    purpose = "engineering"
    country = "SG"
    expect = "deny"
    by = ["home-team-only"]

``grant = { approvals = 2 }`` gives a live grant; ``by`` names the policies that must be among those
that decide.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from domicile.errors import UsageError
from domicile.policy.decisions import Engine
from domicile.policy.entries import Action, Asked, Country
from domicile.policy.staff import Employer, Role

__all__ = ["Case", "read_cases", "wrong_with"]

_MOST_BYTES = 1 << 22


class _Staff(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    id: str = "somebody"
    kind: Literal["person", "service", "application"] = "person"
    team: str = "a-team"
    employer: Employer = "company"
    country: Country = ""
    roles: tuple[Role, ...] = ()


class _Dataset(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str = "a-dataset"
    labels: tuple[str, ...] = ("protected",)


class _Grant(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    approvals: Annotated[int, Meta(ge=0)] = 2
    break_glass: bool = False


class Case(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One question, and what must be answered."""

    name: Annotated[str, Meta(min_length=1, max_length=300)]
    expect: Literal["allow", "deny"]
    action: Action = "read"
    staff: _Staff = _Staff()
    dataset: _Dataset = _Dataset()
    purpose: str = ""
    ticket: str = ""
    country: Country = ""
    inside: bool = False
    second_factor: bool = False
    single: bool = False
    minute: int = 0
    grant: _Grant | None = None
    by: tuple[str, ...] = ()

    @property
    def asked(self) -> Asked:
        """The question."""
        return Asked(
            staff=self.staff.id,
            kind=self.staff.kind,
            team=self.staff.team,
            employed_by=self.staff.employer,
            home_country=self.staff.country,
            roles=self.staff.roles,
            action=self.action,
            dataset=self.dataset.name,
            labels=self.dataset.labels,
            purpose=self.purpose,
            ticket=self.ticket,
            country=self.country,
            inside=self.inside,
            second_factor=self.second_factor,
            single=self.single,
            grant="r-aaaaaaaaaaaaa" if self.grant is not None else "",
            approvals=self.grant.approvals if self.grant is not None else 0,
            break_glass=self.grant is not None and self.grant.break_glass,
        )


def read_cases(path: Path) -> list[Case]:
    """The cases of a file. Raises UsageError, which names the case and the field."""
    try:
        with path.open("rb") as file:
            tables = tomllib.loads(file.read(_MOST_BYTES).decode())
    except (OSError, ValueError) as error:
        raise _wrong(f"{path.name}: {error}") from None
    given, defaults = tables.pop("case", []), tables.pop("defaults", {})
    if tables or not isinstance(given, list) or not given:
        raise _wrong(f"{path.name} has {', '.join(tables) or 'no [[case]]'}")
    return [_case(path, at, {**defaults, **case}) for at, case in enumerate(given, 1)]


def wrong_with(case: Case, engine: Engine) -> str:
    """What is wrong with the answer; empty where it is the expected one."""
    decision = engine.decide(case.asked, case.minute)
    if decision.allowed != (case.expect == "allow"):
        return decision.sentence
    missing = sorted(set(case.by) - set(decision.policies))
    return f"{', '.join(missing)} did not decide, but {decision.sentence}" if missing else ""


def _case(path: Path, at: int, table: dict[str, Any]) -> Case:
    try:
        return msgspec.convert(table, Case, strict=True)
    except msgspec.ValidationError as error:
        raise _wrong(f"{path.name}, case {table.get('name', at)!r}: {error}") from None


def _wrong(failed: str) -> UsageError:
    return UsageError(
        f"the cases are not sound: {failed}",
        expected="[[case]] with name, expect and facts; see docs/policy.md",
        next_step="correct the file",
    )
