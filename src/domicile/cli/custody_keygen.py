"""``domicile custody keygen``."""

from __future__ import annotations

from pathlib import Path

import click

from domicile.cli.exits import Exit
from domicile.errors import UsageError
from domicile.ledger import FileSigner
from domicile.ledger.keys import COSIGN_MLDSA44, ED25519

__all__ = ["keygen"]

_KINDS = {"ed25519": ED25519, "ml-dsa-44": COSIGN_MLDSA44}


@click.command()
@click.argument("key", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--name", required=True, help="The custodian, such as `custodian.example/one`.")
@click.option(
    "--kind",
    type=click.Choice(list(_KINDS)),
    default="ed25519",
    show_default=True,
    help="The kind of key.",
)
def keygen(key: Path, name: str, kind: str) -> int:
    """Make a custodian's signing key: a file KEY of mode 0600. Prints the public key, for the
    charter. The name stands in charter and ledger: take none of a person."""
    if key.exists():
        raise UsageError(
            f"{key} exists",
            expected="a new file",
            next_step="name another file; a key that is in use is not made anew",
        )
    click.echo(FileSigner.create_or_load(key, name, _KINDS[kind]).vkey)
    return Exit.WELL
