"""What the ledger says about moves."""

from __future__ import annotations

from domicile.ledger import Body, FileDigest, entry_kind

__all__ = [
    "HomeOpened",
    "HomeOpening",
    "Planned",
    "SchemaMade",
    "SequencesSet",
    "ShardCopied",
    "ShardVerified",
    "verified_claim",
]


def verified_claim(run: str, shard: str, site: str, verified_sha256: str) -> str:
    """The claim that a shard's copy of a site was proven equal at home; the digest is that of the
    verification's file."""
    return f"verified:{run}/{shard}/{site}/{verified_sha256}"


@entry_kind("move.planned", version=1)
class Planned(Body, frozen=True):
    """A plan was made and written down."""

    run: str
    boundary: str
    row_shards: int
    object_shards: int
    rows: int
    blockers: int
    files: tuple[FileDigest, ...]


@entry_kind("move.schema-made", version=1)
class SchemaMade(Body, frozen=True):
    """Home has the source's schema: ``pre-data`` before the rows, ``post-data`` (indexes,
    constraints, triggers) after them; sha256 is that of the statements."""

    run: str
    site: str
    section: str
    sha256: str


@entry_kind("move.sequences-set", version=1)
class SequencesSet(Body, frozen=True):
    """Home's sequences go on where the source's will not come."""

    run: str
    site: str
    sequences: int


@entry_kind("move.shard-copied", version=1)
class ShardCopied(Body, frozen=True):
    """A shard was written to home. items are rows, or object versions: those brought, and those
    left to verification because an equal one was; bytes are the brought ones'."""

    run: str
    shard: str
    source: str
    home: str
    items: int
    bytes: int
    files: tuple[FileDigest, ...]


@entry_kind("move.home-opening", version=1)
class HomeOpening(Body, frozen=True):
    """Home's objects are about to be written out as plain files: of these datasets, or (none named)
    all of them."""

    boundary: str
    site: str
    datasets: tuple[str, ...]


@entry_kind("move.home-opened", version=1)
class HomeOpened(Body, frozen=True):
    """Home's objects were written out as plain files, so many; refused: those that were not what
    was proven at home. Where this is missing, how many were is unknown."""

    boundary: str
    site: str
    datasets: tuple[str, ...]
    items: int
    bytes: int
    refused: int


@entry_kind("move.shard-verified", version=1)
class ShardVerified(Body, frozen=True):
    """A shard was read back on both sides. sites names those whose every item was proven equal at
    home; partly those of which some items were (the file says which)."""

    run: str
    shard: str
    home: str
    sites: tuple[str, ...]
    partly: tuple[str, ...]
    verified: int
    failed: int
    files: tuple[FileDigest, ...]

    def establishes(self) -> frozenset[str]:
        """That what the file calls verified is at home."""
        return frozenset(
            verified_claim(self.run, self.shard, site, file.sha256)
            for site in (*self.sites, *self.partly)
            for file in self.files
        )
