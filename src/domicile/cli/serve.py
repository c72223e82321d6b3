"""``domicile serve``."""

from __future__ import annotations

from pathlib import Path

import click

from domicile.charter import is_loopback
from domicile.cli.desk import at_the_desk
from domicile.cli.exits import Exit
from domicile.cli.session import Options, common_options
from domicile.errors import UsageError

__all__ = ["serve"]

_FILE = click.Path(path_type=Path, dir_okay=False)


@click.command()
@common_options
@click.option("--address", default="127.0.0.1", show_default=True, help="Where to listen.")
@click.option("--port", type=click.IntRange(1, 65535), default=8750, show_default=True)
@click.option("--tls-cert", type=_FILE, help="The server's certificate chain, PEM.")
@click.option("--tls-key", type=_FILE, help="Its key, PEM, of mode 0600.")
def serve(
    charter: Path,
    as_json: bool,
    address: str,
    port: int,
    tls_cert: Path | None,
    tls_key: Path | None,
) -> int:
    """Serve the API of requests, grants and decisions over HTTP, until stopped. It is described at
    /schema. Who calls from where is told by the connection's address: put no proxy before it.
    Without TLS it is for this machine."""
    from domicile.console import Office, Tls, make_api, notifying, serve_until

    if (tls_cert is None) != (tls_key is None):
        raise UsageError(
            "TLS takes a certificate and its key",
            expected="--tls-cert and --tls-key",
            next_step="name both, or neither",
        )
    tls = Tls(tls_cert, tls_key) if tls_cert and tls_key else None
    with at_the_desk(Options(charter, as_json)) as counter:
        office = Office(counter.session.loaded.charter, counter.desk)
        session = counter.session
        if tls is None and not is_loopback(address):
            warning = "warning: tokens travel in the clear to this address: see --tls-cert"
            session.err.print(warning, style="yellow")
        scheme = "https" if tls else "http"
        session.err.print(f"serving on {scheme}://{address}:{port}", markup=False)
        with notifying(office, counter.post):
            serve_until(make_api(office), address, port, tls)
    return Exit.WELL
