"""How a charter stands: whether its custodians let it take effect, who must sign, and who has.

Signatures are collected in the records, ``approvals/``, a file for each proposal, until there are
enough of them.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from domicile.charter import Custodians, LoadedCharter
from domicile.errors import CharterError, DomicileError, EvidenceError, SiteRefused, UsageError
from domicile.ledger import decode, time_text
from domicile.ledger.approvals import ApprovalsRead
from domicile.ledger.disk import Disk
from domicile.ledger.note import Note
from domicile.ledger.proposals import (
    Approval,
    NeedsApproval,
    Proposal,
    fresh_nonce,
    read_note,
    read_proposal,
    signers_of,
    with_known_signatures,
)
from domicile.ledger.texts import TextPart

__all__ = ["CharterStanding", "collect", "collected", "not_approved", "read_standing"]

_MARKS = (b'"kind":"charter.in-force"', b'"kind":"custody.', b'"kind":"policy.approved"')


@dataclass(frozen=True, slots=True)
class CharterStanding:
    """How a charter stands in its ledger. read: what the ledger says of approvals. custodians: who
    must sign it; None where it needs nobody."""

    loaded: LoadedCharter
    read: ApprovalsRead
    custodians: Custodians | None

    @property
    def is_approved(self) -> bool:
        """Whether it is the charter that was approved last."""
        in_force = self.read.in_force
        return in_force is not None and in_force.sha256 == self.loaded.sha256

    @property
    def operators(self) -> Custodians | None:
        """Who must sign an operation on the root; None where nobody is named. Raises CharterError
        where the charter is not approved yet."""
        if self.custodians is not None and not self.is_approved:
            raise _unsigned(self, self.custodians, "nobody signs operations under it")
        return self.read.in_force.custodians if self.read.in_force is not None else None

    def propose(self, boundary: str, until: datetime) -> Proposal:
        """That it takes effect."""
        in_force = self.read.in_force
        return Proposal(
            purpose="charter",
            log=self.loaded.charter.ledger_origin,
            boundary=boundary,
            until=time_text(until.astimezone(UTC)),
            nonce=fresh_nonce(),
            sha256=self.loaded.sha256,
            before=in_force.sha256 if in_force is not None else "",
        )

    def is_proposed_by(self, proposal: Proposal) -> bool:
        """Whether a proposal, if it is not over, is that this charter takes effect now."""
        now = datetime.now(UTC)
        same = self.propose(proposal.boundary, now).is_about(proposal)
        return same and proposal.until >= time_text(now)

    def accept(self, approval: Approval) -> None:
        """Raise EvidenceError where it does not hold now."""
        for why in self.read.take(time_text(datetime.now(UTC)), approval):
            raise not_approved(why)

    def begin(self, act: NeedsApproval) -> None:
        """Raise UsageError where an operation on the root may not begin."""
        for why in self.read.begin(act):
            raise UsageError(
                f"an operation on the root is not approved: {why}",
                expected="an approval that the ledger has, and that was not used",
                next_step="domicile custody propose, and have them sign it",
            )

    def require(self, records: Path) -> None:
        """Raise CharterError where nothing may be done under it, saying who signed so far."""
        if self.custodians is not None and not self.is_approved:
            raise _unsigned(self, self.custodians, self.signed(records))

    def signed(self, records: Path) -> str:
        """Who signed so far: ``1 of the 2 custodians who must sign it did (NAME)``."""
        if self.custodians is None:
            return "no custodian must sign it"
        names = frozenset[str]()
        for note in collected(records):
            if self.is_proposed_by(read_proposal(note)):
                names = max(names, signers_of(note, self.custodians), key=len)
        who = ", ".join(sorted(names)) or "nobody"
        return (
            f"{len(names)} of the {self.custodians.charter} custodians who must sign it did ({who})"
        )

    def warning(self) -> str | None:
        """What a reader is told where it needs an approval and lacks it."""
        if self.custodians is None or self.is_approved:
            return None
        return (
            f"the charter is not in force: {self.custodians.charter} custodians must sign it; until"
            " then sites are only looked at"
        )

    def sentence(self) -> str:
        """What everybody is told of it."""
        if self.is_approved and self.custodians is not None:
            return "the charter in force was signed by its custodians"
        return self.warning() or (
            "the charter in force is unsigned by custodians: it names none who must sign"
        )


def read_standing(
    entries: Iterable[bytes], loaded: LoadedCharter, until: str = "9999"
) -> CharterStanding:
    """How a charter stands after these entries of its ledger, or after those up to a time."""
    read = ApprovalsRead(loaded.charter.ledger_origin)
    for data in entries:
        if any(mark in data for mark in _MARKS):
            entry = decode(data)
            if time_text(entry.time) > until:
                break
            if isinstance(entry.body, TextPart):
                list(read.take_text(entry.body))
            elif isinstance(entry.body, Approval | NeedsApproval):
                list(read.judge(time_text(entry.time), entry.body))
    read.read(loaded.sha256, loaded.text)
    try:
        custodians = read.must_sign(loaded.sha256)
    except EvidenceError as error:
        raise CharterError(error.failed, expected="custodians", next_step="correct it") from error
    return CharterStanding(loaded, read, custodians)


def collect(records: Path, notes: Iterable[Note], custodians: Custodians) -> Note:
    """Keep a proposal's signatures with those that came before; all of them as one note. Raises
    EvidenceError where one by a custodian is wrong: then nothing is kept."""
    given = list(notes)
    nonce = read_proposal(given[0]).nonce
    if any(note.text != given[0].text for note in given):
        raise EvidenceError(
            "the notes are not of one proposal",
            expected="what the custodians signed of one `domicile custody propose`",
            next_step="name the notes of one proposal",
        )
    with _locked(records) as directory:
        path = directory / f"{nonce}.note"
        kept = [read_note(path.read_bytes())] if path.exists() else []
        note = with_known_signatures([*kept, *given], custodians)
        _write(path, note.encode() if note.signatures else (note.text + "\n").encode())
    return note


def collected(records: Path) -> Iterator[Note]:
    """What was collected so far."""
    for path in sorted((records / "approvals").glob("*.note")):
        try:
            note = read_note(path.read_bytes())
            read_proposal(note)
        except (OSError, DomicileError):
            continue  # somebody else's file
        yield note


def not_approved(why: str) -> EvidenceError:
    """The error where an approval does not hold."""
    return EvidenceError(
        f"the custodians' approval does not hold: {why}",
        expected="a proposal of this ledger that is not over, with enough custodians' signatures",
        next_step="have them sign a new one: domicile custody propose",
    )


@contextmanager
def _locked(records: Path) -> Iterator[Path]:
    """One at a time adds signatures: the other would write back what it read before."""
    directory = records / "approvals"
    try:
        Disk().make_directories(directory)
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
        descriptor = os.open(directory / ".lock", flags, 0o600)
    except OSError as error:
        raise _refused(error) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield directory
    finally:
        os.close(descriptor)


def _write(path: Path, data: bytes) -> None:
    disk, fresh = Disk(), path.with_name(f".{path.name}.new")
    try:
        disk.remove(fresh)
        disk.write_synced(fresh, data)
        disk.rename(fresh, path)
        disk.sync_directory(path.parent)
    except OSError as error:
        raise _refused(error) from error


def _refused(error: OSError) -> SiteRefused:
    return SiteRefused(
        f"the records refused the custodians' signatures ({error.strerror})",
        expected="room and permission in the records directory",
        next_step="make room, then run the same command again",
    )


def _unsigned(standing: CharterStanding, custodians: Custodians, signed: str) -> CharterError:
    names = sorted({key.partition("+")[0] for key in custodians.keys})
    return CharterError(
        f"the charter {standing.loaded.path} is not in force: {signed}",
        expected=f"the signatures of {custodians.charter} of {', '.join(names)}",
        next_step="domicile custody propose charter, have them sign it with domicile custody sign,"
        " then domicile custody enact",
    )
