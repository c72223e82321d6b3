"""The root of the custodian's keys: one contract, whoever keeps it.

A root key never leaves its keeper. It has versions: the newest wraps, every one that still exists
unwraps, and destroying one makes unreadable for ever whatever only it could unwrap - as far as the
keeper can prove that, which each says in its own words.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple, Protocol

from domicile.errors import EvidenceError, UsageError

__all__ = ["Destruction", "RootKey", "RootWrapped", "check_destroyable", "no_version"]


class RootWrapped(NamedTuple):
    """A key of 32 bytes under a version of the root. data is the keeper's own format."""

    version: int
    data: bytes


class Destruction(NamedTuple):
    """What became of a version that was to be destroyed. proves says, in words for a certificate,
    what its keeper proves by that and what not."""

    proves: str
    pending_until: datetime | None = None
    """The version is out of use, and whoever may can bring it back until then; None: it is gone."""


class RootKey(Protocol):
    """A keeper of a root key. Every method raises SiteUnreachable where it does not answer in
    bounded time, SiteRefused where it says no (wrong passphrase, PIN or token, no permission) and
    SiteMissing where it has no such root."""

    @property
    def label(self) -> str:
        """Which root this is, for records and people: ``file:custodian.root``. Holds no secret."""
        ...

    def versions(self) -> tuple[int, ...]:
        """The versions that exist, oldest first; the last one wraps. Numbers rise and are never
        used again; the first need not be 1."""
        ...

    def weaknesses(self) -> tuple[str, ...]:
        """Where this root's settings let the key leave its keeper, or vanish. In words for a
        report; empty where the keeper names nothing of the kind."""
        ...

    def wrap(self, key: bytes, context: bytes) -> RootWrapped:
        """A key of 32 bytes under the newest version, bound to its context.

        Raises ValueError where the key has another length.
        """
        ...

    def unwrap(self, wrapped: Sequence[tuple[RootWrapped, bytes]]) -> list[bytes]:
        """Keys, each with the context it was wrapped with, in order.

        Raises EvidenceError where one was changed, has another context, or its version is unknown
        or destroyed.
        """
        ...

    def rotate(self) -> int:
        """Make a new version, durable when it returns. Repeated after a failure that left open
        whether it was made, it may make one more: an unused version does no harm."""
        ...

    def destroy(self, version: int) -> Destruction:
        """Destroy a version other than the newest; a destroyed one again does nothing but say how
        it stands.

        Raises UsageError for the newest version, and for one that its keeper can't destroy before
        older ones; EvidenceError for one that never was.
        """
        ...


def no_version(label: str, version: int, versions: Sequence[int]) -> EvidenceError:
    """The error where a wrapped key names a version that its keeper does not have."""
    return EvidenceError(
        f"{label} has no version {version}",
        expected=f"one of {', '.join(map(str, versions)) or 'none'}; a destroyed one is gone",
        next_step="restore the root from its backup, if the version was not destroyed",
    )


def check_destroyable(label: str, version: int, versions: Sequence[int]) -> None:
    """Raises UsageError where the version to destroy is the one that wraps, EvidenceError where it
    never was: of that nothing may be said to be destroyed."""
    newest = versions[-1]
    if not 0 < version <= newest:
        raise no_version(label, version, versions)
    if version == newest:
        raise UsageError(
            f"version {version} of {label} is the newest",
            expected="a version that nothing is wrapped under any more",
            next_step="rotate the root first",
        )
