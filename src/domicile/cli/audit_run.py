"""``domicile audit run``."""

from __future__ import annotations

from pathlib import Path

import click

from domicile.audit import AuditKey, AuditStatement, run_audit
from domicile.audit.run import Head
from domicile.cli.exits import Exit
from domicile.cli.session import Options, Session, common_options, emit_json
from domicile.errors import EvidenceError, SiteRefused, UsageError
from domicile.inventory import ledger_directory, quorum
from domicile.ledger import Entry, Verification, decode, read_only, verify_log
from domicile.ledger.merkle import leaf_hashes, root_of

__all__ = ["print_audit", "run"]


@click.command()
@common_options
@click.option(
    "--key",
    "keys",
    multiple=True,
    required=True,
    help="A public key of the log, as the custodian gave it to you.",
)
@click.option(
    "--signing-key",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="The auditor's own Ed25519 key, a PEM file.",
)
@click.option(
    "--shards",
    type=click.IntRange(1, 1_000_000),
    default=20,
    show_default=True,
    help="How many shards to read again.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="Where the signed statement is written: a file that is not there yet.",
)
def run(
    charter: Path, as_json: bool, keys: tuple[str, ...], signing_key: Path, shards: int, out: Path
) -> int:
    """Read shards again that nobody could choose, compare, and sign what was seen.

    --charter is the auditor's: the company's, with credentials of the auditor's own, and as
    [records] directory the records, or a copy of them. The ledger is verified first. Its root hash
    chooses the shards. Nothing is written but the statement.
    """
    key = AuditKey.load(signing_key)
    if out.exists():
        raise UsageError(
            f"{out} is there already",
            expected="a new file: statements are not replaced",
            next_step="name another with --out",
        )
    with Session.open(Options(charter, as_json)) as session:
        head, entries = _head(session, keys)
        statement, data = run_audit(session.estate, head, entries, shards, key)
    try:
        with out.open("xb") as file:
            file.write(data)
    except OSError as error:
        raise SiteRefused(
            f"the statement could not be written to {out} ({error.strerror})",
            expected="room and permission there",
            next_step="name another file with --out, and run the audit again",
        ) from error
    if as_json:
        emit_json(statement)
    else:
        print_audit(session, statement)
        session.out.print(f"signed: {out}", markup=False, soft_wrap=True)
    return Exit.WELL if statement.holds else Exit.REMAINS


def _head(session: Session, keys: tuple[str, ...]) -> tuple[Head, list[Entry]]:
    """The log's head, verified by these keys and the charter's witnesses, and all under it. Raises
    EvidenceError where anything is wrong with it."""
    directory = ledger_directory(session.estate.records)
    asked = quorum(session.estate.charter)
    found = verify_log(
        directory,
        keys,
        None,
        witnesses=[key for known in asked.witnesses for key in known.keys],
        cosignatures_needed=asked.needed,
    )
    if not found.sound or not found.root:
        raise _unsound(found)
    data = [data for number, data in read_only(directory).entries() if number < found.size]
    if len(data) != found.size or root_of(leaf_hashes(data)).hex() != found.root:
        raise EvidenceError(
            "the published log is not the one whose head was verified",
            expected=f"{found.size:,} published entries under the root {found.root}",
            next_step="run it again; if it stays so, ask the company for what it has not published",
        )
    return Head(found.origin, found.size, found.root, found.checkpoint), list(map(decode, data))


def _unsound(found: Verification) -> EvidenceError:
    more = f" and {found.problem_count - 1:,} more" if found.problem_count > 1 else ""
    return EvidenceError(
        f"the ledger is not sound: {next(iter(found.problems), 'it has no root')}{more}",
        expected="a log that holds under the keys that you named",
        next_step="run `domicile ledger verify --key KEY`, and ask the company",
    )


def print_audit(session: Session, statement: AuditStatement) -> None:
    """What was chosen, and what was seen of it."""
    out = session.out
    out.print(
        f"{len(statement.chosen):,} of {statement.shards:,} shards, chosen by the root"
        f" {statement.ledger_root} of {statement.ledger_size:,} entries",
        markup=False,
        soft_wrap=True,
    )
    for one in statement.chosen:
        for seen in one.seen:
            where = f"{one.run}/{one.shard} at {seen.site} ({seen.part})"
            sealed = f", {seen.sealed:,} sealed and not opened" if seen.sealed else ""
            why = f": {seen.reason}" if seen.reason else ""
            line = f"{seen.outcome}: {where}, {seen.as_said:,} of {seen.items:,} items{sealed}{why}"
            style = None if seen.holds else "bold red"
            out.print(line, style=style, markup=False, soft_wrap=True)
    holds = statement.holds
    words = "everything chosen is as the records say" if holds else "not as the records say"
    out.print(words, style="bold green" if holds else "bold red")
