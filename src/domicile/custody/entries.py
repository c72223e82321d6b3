"""What the ledger says about the custodian's keys. No key material, and of persons only how many
they are, and a file with their pseudonyms, which lead to nobody once they are erased."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from domicile.ledger import Body, Count, EntryTime, FileDigest, Sha256Hex, entry_kind
from domicile.ledger.proposals import Approval, Need, NeedsApproval, Operation, Proposal

__all__ = [
    "REASONS",
    "BoundaryKeyCondemned",
    "BoundaryKeyDestroyed",
    "BoundaryKeyMade",
    "BoundaryKeyPending",
    "BoundaryKeysRewrapped",
    "CharterApproved",
    "KeysOpened",
    "OperationApproved",
    "PersonsReadmitted",
    "Reason",
    "RootRecovered",
    "RootSplit",
    "ShredCancelled",
    "ShredCondemned",
    "ShredDone",
    "ShredRequested",
    "SurvivorsRewrapping",
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
class BoundaryKeysRewrapped(NeedsApproval, frozen=True):
    """The versions of a boundary's key are about to be wrapped anew, by these versions of a root.
    As they were wrapped before, by ``root_before``, they still open in a backup, as long as that
    root's versions exist."""

    boundary: str
    boundary_versions: tuple[Version, ...]
    root_before: str
    root: str
    root_versions: tuple[Version, ...]

    def needs(self) -> frozenset[Need]:
        """Rotating the root or moving to another, whatever both are called."""
        return frozenset(
            {
                Need("rotate-root", self.root, self.boundary_versions),
                Need("move-root", self.root, self.boundary_versions),
            }
        )


@entry_kind("custody.keys-opened", version=1)
class KeysOpened(NeedsApproval, frozen=True):
    """The root is about to unwrap a boundary's keys of these versions, for this reason; with them
    every key under them can be opened until whoever asked has ended."""

    boundary: str
    boundary_versions: tuple[Version, ...]
    root: str
    reason: Reason

    def needs(self) -> frozenset[Need]:
        """Opening them, for those reasons for which the charter asks it."""
        return frozenset({Need("open", self.root, self.boundary_versions, self.reason)})


@entry_kind("custody.boundary-key-condemned", version=1)
class BoundaryKeyCondemned(NeedsApproval, frozen=True):
    """A version of a boundary's key, under which nothing is any more, is about to be destroyed, and
    so are all versions of the root that could unwrap a copy of it."""

    boundary: str
    boundary_version: Version
    root: str
    root_versions: tuple[Version, ...]

    def needs(self) -> frozenset[Need]:
        """Destroying the version."""
        return frozenset({Need("destroy", self.root, (self.boundary_version,))})


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


@entry_kind("custody.charter-approved", version=1)
class CharterApproved(Approval, frozen=True):
    """The custodians let a charter take effect, whose text is in the ledger before. note: what they
    signed (a signed note of C2SP), with their signatures: key names, no persons."""

    sha256: Sha256Hex

    def requires(self) -> frozenset[str]:
        """The charter's text."""
        return frozenset({f"charter:{self.sha256}"})

    def agrees(self, proposal: Proposal) -> bool:
        """Whether it is this charter that they signed for."""
        return (proposal.purpose, proposal.sha256) == ("charter", self.sha256)


@entry_kind("custody.operation-approved", version=1)
class OperationApproved(Approval, frozen=True):
    """The custodians let an operation on a root be done, which is about to begin: once. note: what
    they signed, with their signatures. use: which process claimed it, a random text."""

    operation: Operation
    root: str
    versions: tuple[Version, ...]
    use: str

    def agrees(self, proposal: Proposal) -> bool:
        """Whether it is this operation that they signed for."""
        said = (proposal.purpose, proposal.root, proposal.versions)
        return proposal.purpose not in ("charter", "policy") and said == (
            self.operation,
            self.root,
            self.versions,
        )


@entry_kind("custody.root-split", version=1)
class RootSplit(NeedsApproval, frozen=True):
    """The root's versions are about to be written down in so many shares, of which ``needed``
    recover them all: copies of these versions exist until the shares are destroyed. split: which
    shares belong together, a random text."""

    boundary: str
    root: str
    root_versions: tuple[Version, ...]
    shares: Annotated[int, Meta(ge=2, le=16)]
    needed: Annotated[int, Meta(ge=2, le=16)]
    split: str

    def needs(self) -> frozenset[Need]:
        """Splitting the root."""
        return frozenset({Need("split", self.root, self.root_versions)})


@entry_kind("custody.root-recovered", version=1)
class RootRecovered(Body, frozen=True):
    """A root was made anew from shares, with these versions, whichever of them had been destroyed
    since the root was split."""

    boundary: str
    root: str
    root_versions: tuple[Version, ...]
    split: str


@entry_kind("custody.shred-requested", version=1)
class ShredRequested(Body, frozen=True):
    """The keys of so many persons are to be destroyed, not before ``until``; until then it can be
    cancelled. The file holds their pseudonyms."""

    boundary: str
    request: str
    persons: Count
    until: EntryTime
    files: tuple[FileDigest, ...]

    def establishes(self) -> frozenset[str]:
        """That it was requested."""
        return frozenset({f"shred-requested:{self.boundary}/{self.request}"})


@entry_kind("custody.shred-cancelled", version=1)
class ShredCancelled(Body, frozen=True):
    """A request is taken back before anything was destroyed."""

    boundary: str
    request: str


@entry_kind("custody.shred-condemned", version=1)
class ShredCondemned(NeedsApproval, frozen=True):
    """The wrapped keys of these persons, and their pseudonyms' mapping, are about to be deleted for
    good. Backups of the wrapped keys open as long as a version of the boundary's key up to this
    one exists: all of them are to be destroyed."""

    boundary: str
    request: str
    persons: Count
    boundary_version: Version
    root: str
    files: tuple[FileDigest, ...]

    def needs(self) -> frozenset[Need]:
        """Shredding those whom the file names."""
        about = self.root, (self.boundary_version,)
        return frozenset(Need("shred", *about, sha256=file.sha256) for file in self.files)

    def requires(self) -> frozenset[str]:
        """The request."""
        return frozenset({f"shred-requested:{self.boundary}/{self.request}"})

    def establishes(self) -> frozenset[str]:
        """That it was begun."""
        return frozenset({f"shred-condemned:{self.boundary}/{self.request}"})


@entry_kind("custody.survivors-rewrapping", version=1)
class SurvivorsRewrapping(Body, frozen=True):
    """So many keys, of everybody who is not erased, are about to be brought under this version of
    the boundary's key."""

    boundary: str
    boundary_version: Version
    survivors: Count


@entry_kind("custody.shred-done", version=1)
class ShredDone(Body, frozen=True):
    """A shred is done: no version of the boundary's key that could open these persons' keys exists
    any more, as far as its root can prove that. The file is the certificate."""

    boundary: str
    request: str
    persons: Count
    files: tuple[FileDigest, ...]

    def requires(self) -> frozenset[str]:
        """That it was begun."""
        return frozenset({f"shred-condemned:{self.boundary}/{self.request}"})


@entry_kind("custody.persons-readmitted", version=1)
class PersonsReadmitted(Body, frozen=True):
    """So many erased persons may be given new keys and new pseudonyms again. What was destroyed
    stays destroyed."""

    boundary: str
    persons: Count
