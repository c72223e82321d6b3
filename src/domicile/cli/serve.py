"""``domicile serve``."""

from __future__ import annotations

from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from domicile.charter import Charter, is_loopback
from domicile.cli.custody_roots import approvals_option
from domicile.cli.desk import Counter, at_the_desk
from domicile.cli.exits import Exit
from domicile.cli.session import Options, common_options
from domicile.errors import PlanError, UsageError

if TYPE_CHECKING:
    from domicile.gateways.s3 import S3Gateway
    from domicile.policy.office import Office

__all__ = ["serve"]

_FILE = click.Path(path_type=Path, dir_okay=False)


@click.command()
@common_options
@approvals_option
@click.option("--address", default="127.0.0.1", show_default=True, help="Where to listen.")
@click.option("--port", type=click.IntRange(1, 65535), default=8750, show_default=True)
@click.option("--s3-port", type=click.IntRange(1, 65535), help="The S3 gateway's.  [default: none]")
@click.option("--tls-cert", type=_FILE, help="The server's certificate chain, PEM.")
@click.option("--tls-key", type=_FILE, help="Its key, PEM, of mode 0600.")
@click.option(
    "--tls-client-ca", type=_FILE, help="Authorities whose certificates clients may show, PEM."
)
def serve(
    charter: Path,
    as_json: bool,
    approvals: tuple[Path, ...],
    address: str,
    port: int,
    s3_port: int | None,
    tls_cert: Path | None,
    tls_key: Path | None,
    tls_client_ca: Path | None,
) -> int:
    """Serve the API of requests, grants and decisions over HTTP, until stopped. It is described at
    /schema. With --s3-port, S3 clients read objects at home, as far as the policy lets them; for
    that the boundary's keys are opened. Who calls from where is told by the connection's address:
    put no proxy before it. Without TLS it is for this machine."""
    from domicile.console import Tls, make_api, notifying, serve_until
    from domicile.policy.office import Office

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
        doors: dict[int, Any] = {port: make_api(office)}
        if s3_port is not None:
            doors[s3_port] = _gateway(counter, office, approvals)
            session.err.print(f"S3 on {scheme}://{address}:{s3_port}", markup=False)
        with notifying(office, counter.post):
            serve_until(doors, address, tls)
    return Exit.WELL


def _gateway(counter: Counter, office: Office, approvals: tuple[Path, ...]) -> S3Gateway:
    """Raises PlanError where no object store is home, or the boundary has no keys."""
    from domicile.console import CERTIFICATE
    from domicile.gateways.s3 import Gatekeeper, Home, Namespace, S3Gateway
    from domicile.move import Bindings

    session, evidence = counter.session, counter.desk.evidence
    estate = session.estate
    if estate.home_objects is None:
        raise PlanError(
            "no object store is home",
            expected="a site of kind `objects` in the boundary's `home`",
            next_step="add it to the charter, or leave out --s3-port",
        )
    store = estate.objects(estate.home_objects)
    store.check(write=False)
    keys = counter.keys(approvals)
    bindings = Bindings(estate.records, evidence)
    return S3Gateway(
        Namespace(session.loaded.charter),
        Gatekeeper(office, counter.state, keys),
        Home(store, keys, lambda key: office.do(lambda _: bindings.of(key))),
        made=datetime.now(UTC),
        certificate=CERTIFICATE,
    )


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
