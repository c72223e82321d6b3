"""``domicile serve``."""

from __future__ import annotations

from pathlib import Path

import click

from domicile.cli.desk import at_the_desk
from domicile.cli.exits import Exit
from domicile.cli.session import Options, common_options

__all__ = ["serve"]


@click.command()
@common_options
@click.option("--address", default="127.0.0.1", show_default=True, help="Where to listen.")
@click.option("--port", type=click.IntRange(1, 65535), default=8750, show_default=True)
def serve(charter: Path, as_json: bool, address: str, port: int) -> int:
    """Serve the API of requests, grants and decisions over HTTP, until stopped. It is described at
    /schema. Put TLS before it where it leaves this machine."""
    from domicile.console import Office, make_api, notifying, serve_until

    with at_the_desk(Options(charter, as_json)) as counter:
        office = Office(counter.session.loaded.charter, counter.desk, counter.state)
        counter.session.err.print(f"serving on {address}:{port}", markup=False)
        with notifying(office, counter.post):
            serve_until(make_api(office), address, port)
    return Exit.WELL
