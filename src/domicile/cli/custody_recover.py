"""``domicile custody recover``."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import click

from domicile.cli.custody_roots import file_keys
from domicile.cli.exits import Exit
from domicile.cli.session import Options, Session, common_options, emit_json
from domicile.custody.entries import BoundaryKeyCondemned, RootRecovered
from domicile.custody.file_root import FileRoot, check_new
from domicile.custody.opening import file_passphrase
from domicile.custody.shares import read_share, recover_keys
from domicile.errors import EvidenceError
from domicile.inventory import ledger_directory
from domicile.ledger import Entry, decode, read_only

__all__ = ["recover"]


@click.command()
@click.argument("shares", type=click.Path(path_type=Path, dir_okay=False), nargs=-1, required=True)
@common_options
def recover(shares: tuple[Path, ...], charter: Path, as_json: bool) -> int:
    """Make a lost file root anew from SHARES, the custodians' files, where the charter names it and
    under the passphrase that the charter's variable or file has now. Versions that the ledger has
    condemned stay gone."""
    with Session.open(Options(charter, as_json)) as session:
        keys, base = file_keys(session), session.loaded.path.resolve().parent
        evidence, boundary = session.evidence, session.estate.boundary_name
        passphrase = file_passphrase(keys, base, os.environ)
        given = [read_share(path) for path in shares]
        found = recover_keys(given)
        label = given[0].root
        entries = read_only(ledger_directory(session.estate.records)).entries()
        gone = _condemned((decode(data) for _, data in entries), label) & found.keys()
        kept = {version: key for version, key in found.items() if version not in gone}
        if not kept:
            raise _nothing(label)
        check_new(base / keys.path, passphrase)
        evidence.record(RootRecovered(boundary, label, tuple(kept), given[0].split))
        root = FileRoot.restore(base / keys.path, passphrase, kept)
        if as_json:
            emit_json({"root": root.label, "versions": list(kept), "gone": sorted(gone)})
            return Exit.WELL
        session.out.print(f"{root.label} was recovered, versions {', '.join(map(str, kept))}")
        if gone:
            session.out.print(
                f"versions {', '.join(map(str, sorted(gone)))} stay gone: the ledger says that they"
                " were to be destroyed. These shares still have them: destroy the shares"
            )
        session.out.print("next: domicile custody split, and destroy the shares of before")
    return Exit.WELL


def _condemned(entries: Iterable[Entry], label: str) -> set[int]:
    """The versions of a root of which the ledger says that they are about to be destroyed."""
    bodies = (entry.body for entry in entries)
    return {
        version
        for body in bodies
        if isinstance(body, BoundaryKeyCondemned) and body.root == label
        for version in body.root_versions
    }


def _nothing(label: str) -> EvidenceError:
    return EvidenceError(
        f"every version of {label} in these shares was condemned since",
        expected="shares that were split after the last rotation of the root",
        next_step="ask the custodians for newer shares",
    )
