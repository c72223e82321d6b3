"""An ASGI application on Granian, in this process, until it is told to stop.

Granian can ask for clients' certificates, but doesn't tell an application which one it saw: nobody
is known here by a certificate, and no header is believed instead.
"""

from __future__ import annotations

import asyncio
import signal
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from granian.constants import Interfaces
from granian.server.embed import Server

from domicile.errors import UsageError

__all__ = ["Tls", "serve_until"]


@dataclass(frozen=True, slots=True)
class Tls:
    """The server's certificate, with those that it rests on, and its key, in PEM. Raises UsageError
    where they don't fit, or others can read the key."""

    certificate: Path
    key: Path

    def __post_init__(self) -> None:
        """See above."""
        try:
            if self.key.stat().st_mode & 0o077:
                raise _unfit(f"the key {self.key} can be read by others")
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(self.certificate, self.key, password=_nobody_is_asked)
        except (OSError, ssl.SSLError, ValueError) as error:
            why = error.strerror if isinstance(error, FileNotFoundError) else "they do not fit"
            raise _unfit(f"certificate and key cannot be used ({why})") from None


def serve_until(
    application: Any,  # noqa: ANN401 - any ASGI's
    address: str,
    port: int,
    tls: Tls | None = None,
) -> None:
    """Serve until SIGINT or SIGTERM, with TLS 1.3 where there is a certificate; what is being
    answered is answered first."""
    asyncio.run(_serve(application, address, port, tls))


async def _serve(
    application: Any,  # noqa: ANN401 - as above
    address: str,
    port: int,
    tls: Tls | None,
) -> None:
    server = Server(
        application,
        address=address,
        port=port,
        interface=Interfaces.ASGI,
        log_enabled=False,
        ssl_cert=tls.certificate if tls else None,
        ssl_key=tls.key if tls else None,
    )
    loop = asyncio.get_running_loop()
    for each in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(each, server.stop)
    await server.serve()


def _nobody_is_asked() -> str:
    """No key's password is asked for on a terminal."""
    return ""


def _unfit(failed: str) -> UsageError:
    return UsageError(
        failed,
        expected="a certificate chain and its key in PEM, the key of mode 0600, without a password",
        next_step="name the right files with --tls-cert and --tls-key",
    )
