"""Notes of proposals as files: what custodians are sent, and what they send back."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from domicile.cli.session import F
from domicile.errors import UsageError
from domicile.ledger.disk import Disk
from domicile.ledger.note import MAX_NOTE_BYTES, Note
from domicile.ledger.proposals import Proposal, read_note, read_proposal

__all__ = ["about", "proposal_options", "read_notes", "read_signable", "write_note"]


def proposal_options(function: F) -> F:
    """``--out`` and ``--days`` of what is proposed."""
    function = click.option(
        "--days",
        type=click.IntRange(1, 90),
        default=7,
        show_default=True,
        help="How long it may be carried out.",
    )(function)
    return click.option(
        "--out",
        type=click.Path(path_type=Path, dir_okay=False),
        required=True,
        help="The new file for the proposal.",
    )(function)


def read_notes(paths: Sequence[Path]) -> list[Note]:
    """The notes in these files, each a proposal. Raises UsageError, EvidenceError."""
    notes = [read_signable(path) for path in paths]
    for note in notes:
        read_proposal(note)
    return notes


def read_signable(path: Path) -> Note:
    """The note in a file, signed or not yet. Raises UsageError, EvidenceError."""
    try:
        with path.open("rb") as file:
            return read_note(file.read(MAX_NOTE_BYTES + 1))
    except OSError as error:
        raise UsageError(
            f"{path} cannot be read ({error.strerror})",
            expected="a note that is to be signed, or was",
            next_step="check the path",
        ) from error


def write_note(path: Path, note: Note) -> None:
    """Write a note into a new file. Raises UsageError where it exists."""
    data = note.encode() if note.signatures else (note.text + "\n").encode()
    disk = Disk()
    try:
        disk.make_directories(path.parent)
        disk.write_synced(path, data)
        disk.sync_directory(path.parent)
    except OSError as error:
        raise UsageError(
            f"{path} cannot be written ({error.strerror})",
            expected="a new file in a directory that can be written",
            next_step="name another file",
        ) from error


def about(proposal: Proposal) -> list[str]:
    """What a proposal proposes, a line each, as whoever signs it must read it: nothing in it can
    disguise itself on a terminal."""
    lines = [f"purpose: {proposal.purpose}", f"boundary: {proposal.boundary}"]
    lines += [f"ledger: {proposal.log}", f"until: {proposal.until}"]
    if proposal.sha256:
        lines.append(f"SHA-256: {proposal.sha256}")
    if proposal.purpose in ("charter", "policy"):
        lines.append(f"replaces: {proposal.before or 'none: it is the first to be approved'}")
    if proposal.root:
        lines.append(f"root: {proposal.root}")
    if proposal.versions:
        lines.append(f"versions: {', '.join(map(str, proposal.versions))}")
    if proposal.reason:
        lines.append(f"reason: {proposal.reason}")
    return [line.encode("unicode_escape").decode() for line in lines]
