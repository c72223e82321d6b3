"""What the ledger says about the custodian's keys. No key material, no person."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from domicile.ledger import Body, entry_kind

__all__ = [
    "REASONS",
    "BoundaryKeyCondemned",
    "BoundaryKeyDestroyed",
    "BoundaryKeyMade",
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
    so are the root's versions that wrap nothing else."""

    boundary: str
    boundary_version: Version
    root: str
    root_versions: tuple[Version, ...]


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
