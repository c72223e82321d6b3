"""``domicile ledger witness``."""

from __future__ import annotations

import ssl
from pathlib import Path

import click

from domicile.cli.exits import Exit
from domicile.errors import UsageError

__all__ = ["witness"]


@click.command()
@click.option(
    "--directory",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="Where the witness keeps its keys and what it has co-signed; made at the first start.",
)
@click.option("--name", required=True, help="The witness's name, such as `witness.example/w1`.")
@click.option(
    "--log", "log_keys", multiple=True, help="A public key of a log to watch, named as its origin."
)
@click.option(
    "--logs",
    type=click.Path(path_type=Path, dir_okay=False),
    help='A TOML file of logs to watch: [logs."ORIGIN"] with keys = ["..."].',
)
@click.option(
    "--listen",
    default="127.0.0.1:8093",
    show_default=True,
    help="HOST:PORT; this machine alone unless another address is given.",
)
@click.option(
    "--tls-certificate",
    type=click.Path(path_type=Path, dir_okay=False),
    help="PEM file of the certificate chain, to serve https.",
)
@click.option(
    "--tls-key", type=click.Path(path_type=Path, dir_okay=False), help="PEM file of its key."
)
@click.option("--show-keys", is_flag=True, help="Print the witness's public keys and end.")
def witness(
    directory: Path,
    name: str,
    log_keys: tuple[str, ...],
    logs: Path | None,
    listen: str,
    tls_certificate: Path | None,
    tls_key: Path | None,
    show_keys: bool,
) -> int:
    """Co-sign the checkpoints of others' logs, and never two that contradict each other: a C2SP
    tlog-witness."""
    from domicile.ledger.witness import Witness, watched_logs, witness_signers
    from domicile.ledger.witness.server import Listen, serve

    if show_keys:
        for signer in witness_signers(directory, name):
            click.echo(signer.vkey)
        return Exit.WELL
    host, port = _address(listen)
    where = Listen(host, port, _tls(tls_certificate, tls_key))
    opened = Witness.open(directory, name, watched_logs(log_keys, logs))
    try:
        for vkey in opened.vkeys:
            click.echo(vkey)
        serve(opened, where, lambda url: click.echo(f"witness {name} listens at {url}"))
    finally:
        opened.close()
    return Exit.WELL


def _address(listen: str) -> tuple[str, int]:
    host, _, port = listen.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 0xFFFF:
        raise UsageError(
            f"{listen!r} is no address to listen at",
            expected="HOST:PORT, such as 127.0.0.1:8093 or [::1]:8093",
            next_step="correct --listen",
        )
    return host.removeprefix("[").removesuffix("]"), int(port)


def _tls(certificate: Path | None, key: Path | None) -> ssl.SSLContext | None:
    if certificate is None and key is None:
        return None
    if certificate is None:
        raise _no_certificate("a key without its certificate")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(certificate, key)
    except OSError as error:  # ssl's errors are
        raise _no_certificate(error.strerror or str(error)) from error
    return context


def _no_certificate(why: str) -> UsageError:
    return UsageError(
        f"the TLS certificate cannot be used: {why}",
        expected="PEM files of a certificate chain and its key",
        next_step="correct --tls-certificate and --tls-key",
    )
