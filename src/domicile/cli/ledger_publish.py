"""``domicile ledger publish``."""

from __future__ import annotations

from pathlib import Path

import click
from rich.console import Console

from domicile.cli.exits import Exit
from domicile.cli.ledger_places import find_target, own_log
from domicile.cli.session import common_options, emit_json
from domicile.ledger import publish as publish_log
from domicile.ledger import published_keys

__all__ = ["publish"]


@click.command()
@click.argument("target")
@common_options
def publish(target: str, charter: Path, as_json: bool) -> int:
    """Copy the log to where readers fetch it: a directory, or a site's bucket.

    TARGET is SITE[/PREFIX] of the charter, or a directory for any web server. Only what is not
    there yet is written, the checkpoint last; what others may have read is never changed.
    """
    source = own_log(charter).source
    done = publish_log(source, find_target(target, charter), published_keys(source))
    if as_json:
        emit_json(done)
    else:
        Console(highlight=False).print(
            f"ledger {done.origin}: {done.size:,} entries are published, {done.before:,} were"
            f" before; {done.files:,} files ({done.bytes:,} bytes) were written",
            markup=False,
            soft_wrap=True,
        )
    return Exit.WELL
