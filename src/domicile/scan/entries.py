"""What the ledger says about scans."""

from __future__ import annotations

from domicile.ledger import Body, FileDigest, entry_kind

__all__ = ["ScanFinished", "ScanStarted"]


@entry_kind("scan.started", version=1)
class ScanStarted(Body, frozen=True):
    """A run began, under the charter whose text is the file."""

    run: str
    boundary: str
    tool: str
    files: tuple[FileDigest, ...]


@entry_kind("scan.finished", version=1)
class ScanFinished(Body, frozen=True):
    """What a scan saw. Findings are members' protected items away from home; unexamined counts
    items that could not be attributed; complete means that there are none of them."""

    run: str
    boundary: str
    sites: tuple[str, ...]
    finding_rows: int
    finding_objects: int
    unexamined: int
    complete: bool
    files: tuple[FileDigest, ...]
