"""``domicile staff credential``."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from domicile.cli.custody_roots import approvals_option
from domicile.cli.desk import Counter, at_the_desk
from domicile.cli.exits import Exit
from domicile.cli.session import Options, common_options, emit_json
from domicile.errors import UsageError

if TYPE_CHECKING:
    from domicile.policy.desk import Desk

__all__ = ["credential"]

_WORD = re.compile(r"[a-z][a-z0-9-]{0,62}")
_TICKET = re.compile(r"[A-Za-z0-9#./_-]{0,64}")


@click.command()
@click.argument("staff")
@common_options
@approvals_option
@click.option(
    "--days", type=click.IntRange(1, 366), default=90, show_default=True, help="Its life."
)
@click.option("--second-factor", is_flag=True, help="It was handed over against a second factor.")
@click.option("--rotate", metavar="C-...", help="It takes the place of this one of theirs.")
@click.option(
    "--overlap",
    type=click.IntRange(0, 7 * 24 * 60),
    help="With --rotate: for so many minutes both are good.  [default: 0]",
)
@click.option(
    "--certificate",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="This certificate (PEM) is the credential: no token is made.",
)
@click.option("--s3-key", is_flag=True, help="An S3 access key and its secret, in a token's place.")
@click.option("--purpose", help="With --s3-key: what it is for, where its holder says nothing.")
@click.option("--ticket", default="", help="With --purpose: for which ticket.")
def credential(
    staff: str,
    charter: Path,
    as_json: bool,
    approvals: tuple[Path, ...],
    days: int,
    second_factor: bool,
    rotate: str | None,
    overlap: int | None,
    certificate: Path | None,
    s3_key: bool,
    purpose: str | None,
    ticket: str,
) -> int:
    """Give STAFF a token, which is printed once, and nobody can show it again; or an S3 access key,
    likewise, whose secret lies under the boundary's keys; or have their certificate known, which
    `domicile serve --tls-client-ca` then takes in a token's place."""
    if s3_key and certificate is not None:
        raise UsageError(
            "one credential is made at a time",
            expected="--s3-key or --certificate",
            next_step="give one of them, then the other",
        )
    if overlap is not None and rotate is None:
        raise UsageError(
            "--overlap is about a credential that ends",
            expected="--rotate and its name",
            next_step="name it, or leave --overlap out",
        )
    _require_fitting(purpose, ticket, s3_key=s3_key)
    from domicile.policy.certificates import Certificate
    from domicile.policy.credentials import (
        end_credential,
        issue_s3_key,
        issue_token,
        register_certificate,
    )

    shown = Certificate.read_pem(certificate.read_bytes()) if certificate is not None else None

    with at_the_desk(Options(charter, as_json)) as counter:
        desk = counter.desk
        if rotate is not None:
            _require(counter, staff, rotate)
        until = datetime.now(UTC) + timedelta(days=days)
        token = secret = ""
        if s3_key:
            keys = counter.keys(approvals)
            name, secret = issue_s3_key(
                desk, keys, staff, until, by="", second_factor=second_factor
            )
            _set_purpose(desk, name, purpose, ticket)
        elif shown is None:
            name, token = issue_token(desk, staff, until, by="", second_factor=second_factor)
        else:
            name = register_certificate(
                desk, staff, shown, until, by="", second_factor=second_factor
            )
        if rotate is not None:
            end_credential(desk, rotate, by="", after=timedelta(minutes=overlap or 0))
        if as_json:
            given = {"secret": secret} if s3_key else {"token": token}
            emit_json({"credential": name, "staff": staff, **given})
        elif shown is not None:
            counter.say(f"credential {name} of {staff}: the certificate {shown.sha256}")
        elif s3_key:
            counter.session.err.print(f"S3 access key of {staff}, {days} days:")
            click.echo(f"aws_access_key_id = {name}\naws_secret_access_key = {secret}")
        else:
            counter.session.err.print(f"credential {name} of {staff}, {days} days; its token:")
            click.echo(token)
    return Exit.WELL


def _set_purpose(desk: Desk, name: str, purpose: str | None, ticket: str) -> None:
    from domicile.policy.credentials import set_purpose

    if purpose is not None:
        set_purpose(desk, name, purpose, ticket, by="")


def _require_fitting(purpose: str | None, ticket: str, *, s3_key: bool) -> None:
    """Raise UsageError where there is no such purpose or ticket, or nothing that it is for."""
    if (purpose is not None and not s3_key) or (ticket and purpose is None):
        raise UsageError(
            "--purpose is an S3 access key's, and --ticket a purpose's",
            expected="--s3-key --purpose, and perhaps --ticket",
            next_step="leave it out, or name what it is for",
        )
    for text, pattern, what in ((purpose, _WORD, "purpose"), (ticket, _TICKET, "ticket")):
        if text is not None and not pattern.fullmatch(text):
            raise UsageError(
                f"{text[:80]!r} is not a {what}",
                expected="lower-case letters, digits and -" if what == "purpose" else "#./_- too",
                next_step="write it as the policy does",
            )


def _require(counter: Counter, staff: str, name: str) -> None:
    """Raise AccessForbidden where this is no good credential of theirs."""
    from domicile.policy.desk import now_text
    from domicile.policy.standing import unknown

    if counter.desk.standing.credential(name, now_text()).issued.staff != staff:
        raise unknown(f"credential of {staff}", name)
