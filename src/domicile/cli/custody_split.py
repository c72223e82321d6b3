"""``domicile custody split``."""

from __future__ import annotations

import os
from pathlib import Path

import click

from domicile.cli.custody_roots import approvals_option, approver_of, file_keys
from domicile.cli.exits import Exit
from domicile.cli.session import Options, Session, common_options, emit_json
from domicile.custody.approval import Act
from domicile.custody.entries import RootSplit
from domicile.custody.file_root import FileRoot
from domicile.custody.opening import file_passphrase
from domicile.custody.shares import MOST_SHARES, split_keys, write_shares

__all__ = ["split"]


@click.command()
@common_options
@click.option("--shares", type=click.IntRange(2, MOST_SHARES), required=True, help="How many.")
@click.option(
    "--needed",
    type=click.IntRange(2, MOST_SHARES),
    required=True,
    help="How many of them recover the root.",
)
@click.option(
    "--directory",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="Where the share files are written, each of mode 0600, to be taken apart.",
)
@approvals_option
def split(
    charter: Path,
    as_json: bool,
    shares: int,
    needed: int,
    directory: Path,
    approvals: tuple[Path, ...],
) -> int:
    """Write a file root's keys down in shares, of which some recover them. Whoever has so many
    needs no passphrase. Split anew after each rotation, and destroy the shares of before."""
    with Session.open(Options(charter, as_json)) as session:
        keys, base = file_keys(session), session.loaded.path.resolve().parent
        evidence, boundary = session.evidence, session.estate.boundary_name
        root = FileRoot.open(base / keys.path, file_passphrase(keys, base, os.environ))
        if approver := approver_of(session, evidence, approvals):
            approver.approve(Act("split", root.label, root.versions()))
        made = split_keys(root.label, root.unsafe_keys(), needed, shares)
        versions = tuple(made[0].wrapped)
        evidence.record(
            RootSplit(boundary, root.label, versions, shares, needed, split=made[0].split)
        )
        paths = write_shares(directory, made)
        if as_json:
            emit_json({"root": root.label, "versions": versions, "shares": list(map(str, paths))})
            return Exit.WELL
        for path in paths:
            session.out.print(str(path), markup=False, soft_wrap=True)
        session.out.print(
            f"any {needed} of these {shares} recover {root.label}: give each to another custodian,"
            " and leave none here",
            soft_wrap=True,
        )
    return Exit.WELL
