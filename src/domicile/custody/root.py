"""The root of the custodian's keys: one contract, whoever keeps it.

A root key never leaves its keeper. It has versions: the newest wraps, every one that still exists
unwraps, and destroying one makes unreadable for ever whatever only it could unwrap - as far as the
keeper can prove that, which each says in its own words.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

__all__ = ["RootKey", "RootWrapped"]


class RootWrapped(NamedTuple):
    """A key of 32 bytes under a version of the root. data is the keeper's own format."""

    version: int
    data: bytes


class RootKey(Protocol):
    """A keeper of a root key. Every method raises SiteUnreachable where it does not answer and
    SiteRefused where it says no (wrong passphrase, PIN or token, no permission)."""

    @property
    def label(self) -> str:
        """Which root this is, for records and people: ``file:custodian.root``. Holds no secret."""
        ...

    def versions(self) -> tuple[int, ...]:
        """The versions that exist, oldest first; the last one wraps."""
        ...

    def wrap(self, key: bytes, context: bytes) -> RootWrapped:
        """A key under the newest version, bound to its context."""
        ...

    def unwrap(self, wrapped: Sequence[tuple[RootWrapped, bytes]]) -> list[bytes]:
        """Keys, each with the context it was wrapped with, in order.

        Raises EvidenceError where one was changed, has another context, or its version is unknown
        or destroyed.
        """
        ...

    def rotate(self) -> int:
        """Make a new version, durable when it returns."""
        ...

    def destroy(self, version: int) -> str:
        """Destroy a version other than the newest; a destroyed one again does nothing. What this
        proves, and what it can't, in words for a certificate.

        Raises UsageError for the newest version.
        """
        ...
