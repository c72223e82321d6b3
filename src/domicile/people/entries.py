"""What the ledger says about the register of members."""

from __future__ import annotations

from domicile.ledger import Body, FileDigest, entry_kind

__all__ = ["PeopleFrozen"]


@entry_kind("people.frozen", version=1)
class PeopleFrozen(Body, frozen=True):
    """The member list of a run. Counts are persons; unknown have no country written anywhere."""

    run: str
    boundary: str
    persons: int
    members: int
    unknown: int
    files: tuple[FileDigest, ...]
