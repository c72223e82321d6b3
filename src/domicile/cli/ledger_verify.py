"""``domicile ledger verify``."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click
from rich.console import Console

from domicile.cli import kinds  # noqa: F401 - the entries' kinds must be known
from domicile.cli.exits import Exit
from domicile.cli.ledger_accesses import decided_again
from domicile.cli.ledger_places import Place, find_source, own_log
from domicile.cli.session import common_options, emit_json, workers_option
from domicile.errors import SiteRefused
from domicile.ledger import (
    Seen,
    Verification,
    published_keys,
    read_seen,
    seen_directory,
    verify_log,
)
from domicile.ledger.keys import Verifier

__all__ = ["verify"]


@click.command()
@click.argument("location", required=False)
@common_options
@click.option("--key", "keys", multiple=True, help="A public key of the log (default: log.vkey).")
@click.option(
    "--witness",
    "witness_keys",
    multiple=True,
    help="A public key of a witness that must have co-signed (default: as the charter says of its"
    " own log).",
)
@click.option(
    "--records",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="The records whose files the entries name.  [default: those that the log lies in]",
)
@click.option(
    "--seen",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Where the last checkpoint that was verified is remembered."
    "  [default: under $XDG_STATE_HOME/domicile/seen, by the log's keys]",
)
@click.option(
    "--against",
    multiple=True,
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="A checkpoint that somebody else kept, which the log must extend.",
)
@workers_option
def verify(
    location: str | None,
    charter: Path,
    as_json: bool,
    keys: tuple[str, ...],
    witness_keys: tuple[str, ...],
    records: Path | None,
    seen: Path | None,
    against: tuple[Path, ...],
    workers: int,
) -> int:
    """Recompute the tree, every file's digest, and the chain of evidence.

    LOCATION is a directory, an http(s) URL, or SITE[/PREFIX] of the charter; without it, the
    charter's own log. Consistency with the checkpoint verified last is checked, and remembered.
    """
    place = own_log(charter) if location is None else find_source(location, charter)
    trusted = list(keys) or published_keys(place.source)
    remembered = Seen((seen,)) if seen else Seen.under(seen_directory(os.environ), trusted)
    witnesses, needed = _witnesses(place, witness_keys)
    found = verify_log(
        place.source,
        trusted,
        records or place.records,
        seen=[*remembered.notes(), *map(read_seen, against)],
        witnesses=witnesses,
        cosignatures_needed=needed,
        workers=workers,
    )
    found = decided_again(place.source, found)
    notes = [] if keys else [_OWN_KEY]
    if found.sound:
        notes += _remember(remembered, found)
    if as_json:
        emit_json(found)
        _Report(Console(stderr=True, highlight=False)).notes(notes)
    else:
        _Report(Console(highlight=False)).whole(found, notes)
    return Exit.WELL if found.sound else Exit.EVIDENCE


_OWN_KEY = "no --key was given: the log was held against the key that it publishes itself"


def _witnesses(place: Place, vkeys: Sequence[str]) -> tuple[list[Verifier], int]:
    """Whose cosignatures count, and how many there must be: of those named, all."""
    if vkeys or place.quorum is None:
        named = [Verifier.parse(vkey) for vkey in vkeys]
        return named, len({key.name for key in named})
    return [key for known in place.quorum.witnesses for key in known.keys], place.quorum.needed


def _remember(seen: Seen, found: Verification) -> list[str]:
    try:
        seen.remember(found.checkpoint.encode())
    except SiteRefused as error:
        return [f"{error.failed}; a rollback after now would not be noticed"]
    return []


@dataclass(frozen=True, slots=True)
class _Report:
    out: Console

    def whole(self, found: Verification, notes: Sequence[str]) -> None:
        """What was checked, and what is wrong."""
        files = f"{found.files_checked:,} files checked"
        if found.files_unchecked:
            files = f"files: not checked ({found.files_unchecked:,} are named)"
        self.out.print(
            f"ledger {found.origin}: {found.size:,} entries, root {found.root}, {files}",
            markup=False,
            soft_wrap=True,
        )
        for problem in found.problems:
            self.out.print(f"broken: {problem}", style="bold red", markup=False, soft_wrap=True)
        for notice in found.notices:
            self.out.print(f"notice: {notice}", style="yellow", markup=False, soft_wrap=True)
        self.notes(notes)
        if found.sound:
            digest = "" if found.files_unchecked else ", digest"
            self.out.print(f"every entry{digest} and chain of evidence holds", style="green")

    def notes(self, notes: Sequence[str]) -> None:
        """What this run could not do as one would wish."""
        for note in notes:
            self.out.print(f"notice: {note}", style="yellow", markup=False, soft_wrap=True)
