"""``domicile attest``."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path

import click
from rich.markup import escape

from domicile.cli.exits import Exit
from domicile.cli.plan import latest_scan
from domicile.cli.session import Options, Session, common_options, emit_json
from domicile.errors import UsageError
from domicile.scan import (
    LARGEST_STATEMENT_BYTES,
    Attestation,
    attestation,
    read_scan,
    record_attestation,
)

__all__ = ["attest"]

_LARGEST_SIGNATURE_BYTES = 4096


@click.command()
@click.argument("statement", type=click.Path(path_type=Path, dir_okay=False))
@common_options
@click.option(
    "--site", required=True, help="The site, or the offline place, that the statement is about."
)
@click.option(
    "--dataset",
    default="",
    help="The dataset there.  [default: what fits none, or all of an offline place]",
)
@click.option("--attester", required=True, help="Who signs, by their name in the charter.")
@click.option(
    "--until",
    type=click.DateTime(["%Y-%m-%d"]),
    required=True,
    help="The last day (UTC) on which the statement counts.",
)
@click.option(
    "--signature",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The attester's Ed25519 signature over the text, 64 bytes.  [default: none yet: the text"
    " to sign is printed]",
)
def attest(
    statement: Path,
    charter: Path,
    as_json: bool,
    site: str,
    dataset: str,
    attester: str,
    until: datetime,
    signature: Path | None,
) -> int:
    """Record a signed statement about what could not be examined.

    STATEMENT is a file of any kind. Without --signature the text that the attester must sign is
    printed, and nothing is recorded; it names the statement by its SHA-256. With it, the signature
    is checked by the key in the charter, and statement and signature are kept in the records. What
    is attested is never counted as examined.
    """
    with Session.open(Options(charter, as_json)) as session:
        data = _read(statement, LARGEST_STATEMENT_BYTES)
        run = latest_scan(session, session.state)
        made = attestation(
            session.estate,
            read_scan(run).unexamined_at(),
            site=site,
            dataset=dataset,
            attester=attester,
            until=until.date(),
            today=datetime.now(UTC).date(),
            statement=data,
        )
        if signature is None:
            return _print_text(session, made)
        files = (data, _read(signature, _LARGEST_SIGNATURE_BYTES))
        body = record_attestation(session.estate, session.evidence, run, made, files)
    if as_json:
        emit_json(body)
    else:
        what = f"{dataset} at {site}" if dataset else site
        session.out.print(
            f"attested until {body.until} by {escape(attester)} ({escape(body.role)}):"
            f" {escape(what)}, statement {body.statement_sha256}",
            soft_wrap=True,
        )
    return Exit.WELL


def _print_text(session: Session, made: Attestation) -> int:
    """The very bytes to sign, on standard output."""
    if session.options.as_json:
        emit_json({"sign": made.text().decode()})
        return Exit.WELL
    sys.stdout.buffer.write(made.text())
    sys.stdout.buffer.flush()
    session.err.print(
        "nothing was recorded: have this line signed, and run the command again with --signature",
        style="yellow",
    )
    return Exit.WELL


def _read(path: Path, most: int) -> bytes:
    """A file, or one byte more than it may have."""
    try:
        with path.open("rb") as file:
            return file.read(most + 1)
    except OSError as error:
        raise UsageError(
            f"{path} cannot be read ({error.strerror or type(error).__name__})",
            expected="a readable file",
            next_step="check the path and its permissions",
        ) from error
