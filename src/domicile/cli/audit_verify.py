"""``domicile audit verify``."""

from __future__ import annotations

from pathlib import Path

import click

from domicile.audit import AuditStatement
from domicile.audit.key import is_signed_by
from domicile.audit.statement import read_statement, signed_parts
from domicile.cli.exits import Exit
from domicile.cli.session import emit_json
from domicile.errors import EvidenceError, UsageError

__all__ = ["verify"]

_MOST_BYTES = 256 << 20


@click.command()
@click.argument("statement", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--key",
    required=True,
    help="The auditor's public key, as `openssl pkey -pubout` prints it between its first and last"
    " line; have it from the auditor.",
)
def verify(statement: Path, key: str) -> int:
    """Check who signed an audit's STATEMENT, and print it as JSON.

    Exit code 0: that key signed it and it says that everything chosen was as the records say; 1: it
    says something else; 4: that key did not sign it.
    """
    message, payload, signatures = signed_parts(_read(statement))
    if not is_signed_by(key, message, signatures):
        raise EvidenceError(
            f"this key did not sign {statement.name}",
            expected="a statement that the auditor whose key you have signed",
            next_step="have the statement from the auditor, and the key from somebody else",
        )
    said = read_statement(payload)
    emit_json(said)
    return Exit.WELL if _holds(said) else Exit.REMAINS


def _holds(said: AuditStatement) -> bool:
    """What it says in one word, worked out again from its parts."""
    seen = [part for one in said.chosen for part in one.seen]
    return said.holds and bool(seen) and all(part.holds for part in seen)


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise UsageError(
            f"{path} cannot be read ({error.strerror})",
            expected="the statement of an audit",
            next_step="check the path and its permissions",
        ) from error
    if len(data) > _MOST_BYTES:
        raise UsageError(
            f"{path} is larger than any statement", expected="at most 256 MiB", next_step="check it"
        )
    return data
