"""What the ledger says about erasures."""

from __future__ import annotations

from domicile.ledger import Body, FileDigest, entry_kind
from domicile.move import verified_claim

__all__ = [
    "AbsenceChecked",
    "Certified",
    "ShardBegun",
    "ShardErased",
    "ShardRefused",
    "TablesRewritten",
]


@entry_kind("erase.shard-begun", version=1)
class ShardBegun(Body, frozen=True):
    """A shard's erasure at a site is about to begin, on the strength of this verification. From
    here on nothing of the shard may be removed at home for want of it at a source."""

    run: str
    shard: str
    site: str
    verified_sha256: str

    def requires(self) -> frozenset[str]:
        """Its verification."""
        return frozenset({verified_claim(self.run, self.shard, self.site, self.verified_sha256)})

    def establishes(self) -> frozenset[str]:
        """That it was begun."""
        return frozenset({f"begun:{self.run}/{self.shard}/{self.site}/{self.verified_sha256}"})


@entry_kind("erase.shard-refused", version=1)
class ShardRefused(Body, frozen=True):
    """A shard's rows were no longer the verified ones, and none of them was erased: this
    verification stands no more, `domicile verify` makes another."""

    run: str
    shard: str
    site: str
    verified_sha256: str

    def requires(self) -> frozenset[str]:
        """That it was begun."""
        return frozenset({f"begun:{self.run}/{self.shard}/{self.site}/{self.verified_sha256}"})


@entry_kind("erase.shard-erased", version=1)
class ShardErased(Body, frozen=True):
    """A shard was erased at a site: rows deleted or reduced to their public projection, versions
    and markers deleted by id, uploads aborted. held items are under retention or legal hold and
    still there, and so are failed ones; the file says why. held_until: when the last retention of
    them ends; empty where nobody can say, or nothing is held."""

    run: str
    shard: str
    site: str
    verified_sha256: str
    erased: int
    reduced: int
    failed: int
    held: int
    held_until: str
    files: tuple[FileDigest, ...]

    def requires(self) -> frozenset[str]:
        """Its verification, and that it was begun."""
        return frozenset(
            {
                verified_claim(self.run, self.shard, self.site, self.verified_sha256),
                f"begun:{self.run}/{self.shard}/{self.site}/{self.verified_sha256}",
            }
        )


@entry_kind("erase.tables-rewritten", version=1)
class TablesRewritten(Body, frozen=True):
    """Tables and their indexes were written anew, so that their files no longer hold the erased
    rows; kept names tables in which erased rows had to stay, since an older snapshot may still
    read them, and who has it, and materialised views that could not be refreshed. statistics: empty
    where the planner's were rewritten too, else why not."""

    run: str
    site: str
    tables: tuple[str, ...]
    kept: tuple[str, ...]
    statistics: str


@entry_kind("erase.absence-checked", version=1)
class AbsenceChecked(Body, frozen=True):
    """A site was listed and counted again after its erasure. remaining: members' protected items
    still found there, new ones included."""

    run: str
    site: str
    remaining: int
    unexamined: int
    files: tuple[FileDigest, ...]


@entry_kind("erase.certified", version=1)
class Certified(Body, frozen=True):
    """A certificate of a site's erasure was signed."""

    run: str
    site: str
    complete: bool
    files: tuple[FileDigest, ...]
