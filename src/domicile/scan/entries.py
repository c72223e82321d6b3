"""What the ledger says about scans."""

from __future__ import annotations

from domicile.ledger import Body, FileDigest, entry_kind

__all__ = ["Attested", "DriftFound", "MediumStated", "Rechecked", "ScanFinished", "ScanStarted"]


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


@entry_kind("scan.rechecked", version=1)
class Rechecked(Body, frozen=True):
    """A site where the run erased was looked at again, later, by the run's register of members.
    remaining: members' protected items found there, and erased versions that could be read again;
    asked: how many erased versions were asked for by id."""

    run: str
    boundary: str
    site: str
    remaining: int
    unexamined: int
    asked: int
    files: tuple[FileDigest, ...]


@entry_kind("scan.drift", version=1)
class DriftFound(Body, frozen=True):
    """Members' items lie again at a site that was erased: an alarm, until a scan finds none. run:
    whose register of members told so. Each item counts once: of persons who were shredded (-1: who
    that is could not be told without the boundary's keys), else of newcomers (no members when the
    site was erased), else returned (equal to what was erased there, or to what home holds), else
    written since; other is what was none of these, or could not be compared. certified: when the
    site's last certificate was signed, whose file has this digest; empty where it has none."""

    run: str
    boundary: str
    site: str
    dataset: str
    items: int
    returned: int
    written: int
    newcomers: int
    shredded: int
    other: int
    certified: str
    certificate_sha256: str


@entry_kind("scan.medium-stated", version=1)
class MediumStated(Body, frozen=True):
    """Somebody whom the charter names signed what became of a disk or tape that no program
    reaches: act is ``added``, ``handed-over``, ``missing`` or ``destroyed``. from_holder: who had
    it; to_holder: who has it, or who destroyed it; where: at which place of the charter it was
    registered, or where it was destroyed. method: of NIST SP 800-88 Rev. 2, ``clear``, ``purge`` or
    ``destroy``. day: on which it happened, as they say. evidence: SHA-256 of files that they keep.
    previous: the SHA-256 of the text signed last about it. The files are the text that was signed,
    and the signature."""

    boundary: str
    act: str
    serial: str
    medium: str
    where: str
    from_holder: str
    to_holder: str
    method: str
    day: str
    evidence: tuple[str, ...]
    previous: str
    attester: str
    role: str
    files: tuple[FileDigest, ...]
