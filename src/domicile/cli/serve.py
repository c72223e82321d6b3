"""``domicile serve``."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import click

from domicile.charter import Charter, is_loopback
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
@click.option(
    "--tls-client-ca", type=_FILE, help="Authorities whose certificates clients may show, PEM."
)
def serve(
    charter: Path,
    as_json: bool,
    address: str,
    port: int,
    tls_cert: Path | None,
    tls_key: Path | None,
    tls_client_ca: Path | None,
) -> int:
    """Serve the API of requests, grants and decisions over HTTP, until stopped. It is described at
    /schema. Who calls from where is told by the connection's address: put no proxy before it.
    Without TLS it is for this machine."""
    from domicile.console import Office, Tls, make_api, notifying, serve_until

    if (tls_cert is None) != (tls_key is None) or (tls_client_ca and not tls_cert):
        raise UsageError(
            "TLS takes a certificate and its key, of the server itself",
            expected="--tls-cert and --tls-key",
            next_step="name both, or neither and no --tls-client-ca",
        )
    tls = Tls(tls_cert, tls_key, tls_client_ca) if tls_cert and tls_key else None
    with at_the_desk(Options(charter, as_json)) as counter:
        _require_authorities(counter.session.loaded.charter, tls_client_ca)
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


def _require_authorities(charter: Charter, given: Path | None) -> None:
    """Raise UsageError where clients would be taken to be where other authorities say than those
    that the charter names."""
    if charter.certificates is None:
        return
    found = sha256(given.read_bytes()).hexdigest() if given is not None else "none"
    if found != charter.certificates.authorities_sha256:
        raise UsageError(
            f"the authorities of clients' certificates are not the charter's: {found}",
            expected=f"a file with the SHA-256 {charter.certificates.authorities_sha256}",
            next_step="name it with --tls-client-ca, or have the custodians change the charter",
        )
