"""What the ledger says about the custodian's keys. No key material, no person."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from domicile.ledger import Body, EntryTime, entry_kind

__all__ = [
    "REASONS",
    "BoundaryKeyCondemned",
    "BoundaryKeyDestroyed",
    "BoundaryKeyMade",
    "BoundaryKeyPending",
    "BoundaryKeysRewrapped",
    "KeysOpened",
    "Reason",
]

Reason = Literal["move", "verify", "open", "rotate", "shred", "recover"]
REASONS: tuple[Reason, ...] = ("move", "verify", "open", "rotate", "shred", "recover")

Version = Annotated[int, Meta(ge=1)]


@entry_kind("custody.boundary-key-made", version=1)
class BoundaryKeyMade(Body, frozen=True):
    """A boundary has a new key, wrapped by a version of the root: what is sealed from now on is
    sealed under it."""

    boundary: str
    boundary_version: Version
    root: str
    root_version: Version


@entry_kind("custody.boundary-keys-rewrapped", version=1)
class BoundaryKeysRewrapped(Body, frozen=True):
    """The versions of a boundary's key are about to be wrapped anew, by these versions of a root.
    As they were wrapped before, by ``root_before``, they still open in a backup, as long as that
    root's versions exist."""

    boundary: str
    boundary_versions: tuple[Version, ...]
    root_before: str
    root: str
    root_versions: tuple[Version, ...]


@entry_kind("custody.keys-opened", version=1)
class KeysOpened(Body, frozen=True):
    """The root is about to unwrap a boundary's keys of these versions, for this reason; with them
    every key under them can be opened until whoever asked has ended."""

    boundary: str
    boundary_versions: tuple[Version, ...]
    root: str
    reason: Reason


@entry_kind("custody.boundary-key-condemned", version=1)
class BoundaryKeyCondemned(Body, frozen=True):
    """A version of a boundary's key, under which nothing is any more, is about to be destroyed, and
    so are all versions of the root that could unwrap a copy of it."""

    boundary: str
    boundary_version: Version
    root: str
    root_versions: tuple[Version, ...]


@entry_kind("custody.boundary-key-pending", version=1)
class BoundaryKeyPending(Body, frozen=True):
    """A version of a boundary's key is out of use, but not destroyed: the keeper of its root
    destroys the root's versions that could unwrap it at ``until`` and no sooner, and until then
    whoever may can bring them back."""

    boundary: str
    boundary_version: Version
    root: str
    root_versions: tuple[Version, ...]
    until: EntryTime
    proves: str


@entry_kind("custody.boundary-key-destroyed", version=1)
class BoundaryKeyDestroyed(Body, frozen=True):
    """A version of a boundary's key and the root's versions that could unwrap it were destroyed:
    whatever was only under it opens no more, as far as the root can prove that (``proves``, in its
    own words)."""

    boundary: str
    boundary_version: Version
    root: str
    root_versions: tuple[Version, ...]
    proves: str
