"""What the ledger says about scans."""

from __future__ import annotations

from domicile.ledger import Body, FileDigest, entry_kind

__all__ = ["Attested", "ScanFinished", "ScanStarted"]


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


@entry_kind("scan.attested", version=1)
class Attested(Body, frozen=True):
    """Somebody whom the charter names signed a statement about what the run could not examine at a
    site or an offline place; dataset is empty where none fits. items: how many, -1 where nobody
    could count. attester is their name in the charter, role their office there. until: the last day
    on which it counts. The files are the statement, the text that was signed, and the signature."""

    run: str
    boundary: str
    site: str
    dataset: str
    items: int
    attester: str
    role: str
    until: str
    statement_sha256: str
    files: tuple[FileDigest, ...]
