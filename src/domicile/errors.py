"""Every error Domicile raises, as one tree split by who must act.

::

    DomicileError
    ├── OperatorError          the operator: charter, commands, order of steps  [exit 2]
    │   ├── CharterError       the charter is wrong, or names what no site has; says where
    │   ├── UsageError         a command was called with what it cannot take
    │   ├── AccessForbidden    the policy, or a rule of requests and grants, forbids it
    │   │   ├── BadToken       who calls did not show a good credential
    │   │   └── Unknown        there is no such staff member, request or grant
    │   └── PlanError          the plan is missing, blocked, or the charter changed since
    ├── SiteError              the remote site  [exit 3]
    │   ├── SiteUnreachable    no answer, a reset, a time-out, a 503
    │   ├── SiteRefused        wrong password, no permission, quota, disk full
    │   │   └── ObjectWithheld one object that the store keeps and does not give out
    │   └── SiteMissing        the bucket or database is not there, or what was planned there
    ├── ShardError             one shard failed; the run goes on and reports it  [exit 1]
    │   └── SourceChanged      the source is no longer what was verified
    └── EvidenceError          the records contradict themselves: stop and investigate  [exit 4]
        └── KeyAbsent          what lies sealed is under a key that is not here

A message says what failed, what was expected, and the next step. No message holds a secret or a
row's content. The domain never prints and never exits; ``cli`` maps the tree to exit codes.
"""

from __future__ import annotations

from typing import ClassVar

__all__ = [
    "AccessForbidden",
    "BadToken",
    "CharterError",
    "DomicileError",
    "EvidenceError",
    "KeyAbsent",
    "ObjectWithheld",
    "OperatorError",
    "PlanError",
    "ShardError",
    "SiteError",
    "SiteMissing",
    "SiteRefused",
    "SiteUnreachable",
    "SourceChanged",
    "Unknown",
    "UsageError",
]


class DomicileError(Exception):
    """What failed, what was expected, and the next step."""

    exit_code: ClassVar[int] = 1

    def __init__(self, failed: str, *, expected: str = "", next_step: str = "") -> None:
        super().__init__(failed, expected, next_step)
        self.failed = failed
        self.expected = expected
        self.next_step = next_step

    def __str__(self) -> str:
        parts = [self.failed]
        if self.expected:
            parts.append(f"expected: {self.expected}")
        if self.next_step:
            parts.append(f"next: {self.next_step}")
        return "; ".join(parts)

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild, (type(self), self.failed, self.expected, self.next_step))


def _rebuild(
    kind: type[DomicileError], failed: str, expected: str, next_step: str
) -> DomicileError:
    return kind(failed, expected=expected, next_step=next_step)


class OperatorError(DomicileError):
    """The operator must change something before anything is touched."""

    exit_code = 2


class CharterError(OperatorError):
    """The charter is wrong: the message names file, line and key, or the table that no site has."""


class UsageError(OperatorError):
    """A command was called with what it cannot take."""


class AccessForbidden(OperatorError):
    """The policy in force, or a rule of requests and grants, forbids it."""


class BadToken(AccessForbidden):
    """Who calls did not show a good credential."""


class Unknown(AccessForbidden):
    """There is no such staff member, credential, request or grant."""


class PlanError(OperatorError):
    """There is no plan, the plan is blocked, or the charter changed since it was made."""


class SiteError(DomicileError):
    """A site did not do what was asked."""

    exit_code = 3


class SiteUnreachable(SiteError):
    """No answer: connection refused or reset, a time-out, 503. Trying again may help."""


class SiteRefused(SiteError):
    """The site answered no: credentials, permission, quota, full disk."""


class ObjectWithheld(SiteRefused):
    """One object lies there and cannot be read: archived, under a key that is not ours, or denied
    to us. Others can be."""


class SiteMissing(SiteError):
    """The bucket or database that the charter names is not there, or something of the plan."""


class ShardError(DomicileError):
    """One shard could not be brought through its step; nothing of it was erased."""

    exit_code = 1


class SourceChanged(ShardError):
    """The source is no longer what was verified."""


class EvidenceError(DomicileError):
    """Ledger, inventory and sites contradict each other."""

    exit_code = 4


class KeyAbsent(EvidenceError):
    """What lies sealed is under a key that is not here: it was destroyed, or is lost."""
