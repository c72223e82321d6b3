"""ASGI applications on uvicorn, in this process, until they are told to stop.

Invariants:
- What is known of a caller beside what they send comes from their connection: its address, and the
  client's certificate, where the handshake proved it. No header says anything of either.
- Who is slow holds a connection for `_WHOLE_S` at most before their call is there, and there are
  at most `_CONNECTIONS` of them: further ones are told 503.
"""

from __future__ import annotations

import asyncio
import signal
import ssl
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from domicile.errors import UsageError

__all__ = ["CERTIFICATE", "Tls", "serve_until"]

CERTIFICATE = "client_certificate"
"""Under what a call's state has the client's certificate (DER), where one was proven."""

_WHOLE_S = 30.0
_CONNECTIONS = 1000
_PATIENCE_S = 10  # then what is still being answered is broken off
_GOODBYE_S = 1.0
_HEADER_BYTES = 16 << 10


@dataclass(frozen=True, slots=True)
class Tls:
    """The server's certificate, with those that it rests on, and its key, in PEM; authorities:
    those whose certificates clients may show. Raises UsageError where they don't fit, or others can
    read the key."""

    certificate: Path
    key: Path
    authorities: Path | None = None

    def __post_init__(self) -> None:
        """See above."""
        self.context()

    def context(self) -> ssl.SSLContext:
        """TLS 1.3 and nothing older; a client may show a certificate where authorities are
        named."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        try:
            if self.key.stat().st_mode & 0o077:
                raise _unfit(f"the key {self.key} can be read by others")
            context.load_cert_chain(self.certificate, self.key, password=_nobody_is_asked)
        except (OSError, ssl.SSLError, ValueError) as error:
            raise _unfit(f"certificate and key cannot be used ({_why(error)})") from None
        if self.authorities is not None:
            try:
                context.load_verify_locations(self.authorities)
            except (OSError, ssl.SSLError, ValueError) as error:
                raise UsageError(
                    f"the authorities in {self.authorities} cannot be used ({_why(error)})",
                    expected="certificates of authorities, PEM",
                    next_step="name the right file with --tls-client-ca",
                ) from None
            context.verify_mode = ssl.CERT_OPTIONAL
        return context


def serve_until(
    applications: Mapping[int, Any],
    address: str,
    tls: Tls | None = None,
) -> None:
    """Serve ASGI applications, each at its port, until SIGINT or SIGTERM, with TLS 1.3 where there
    is a certificate; what is being answered is answered first."""
    configs = [_config(one, address, port, tls) for port, one in applications.items()]
    asyncio.run(_serve([_Server(config) for config in configs]))


async def _serve(servers: Sequence[_Server]) -> None:
    """All of them, until they are told to end, or one of them ends."""
    loop = asyncio.get_running_loop()

    def end() -> None:
        for server in servers:
            server.should_exit = True

    for each in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(each, end)
    tasks = [asyncio.create_task(server.serve()) for server in servers]
    for task in tasks:
        task.add_done_callback(lambda _: end())
    await asyncio.gather(*tasks)


def _config(
    application: Any,  # noqa: ANN401 - any ASGI's
    address: str,
    port: int,
    tls: Tls | None,
) -> uvicorn.Config:
    config = uvicorn.Config(
        application,
        host=address,
        port=port,
        http=_Connection,
        ws="none",
        proxy_headers=False,  # or a header would say where a caller is
        server_header=False,
        log_config=None,
        log_level="error",
        access_log=False,
        limit_concurrency=_CONNECTIONS,
        timeout_graceful_shutdown=_PATIENCE_S,
        h11_max_incomplete_event_size=_HEADER_BYTES,
    )
    config.load()
    if tls is not None:
        config.ssl = tls.context()
    return config


class _Server(uvicorn.Server):
    """Leaves signals to whoever started it."""

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """None."""
        yield


class _Connection(H11Protocol):
    """A connection: each call that comes over it has its client's certificate in its state."""

    _late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """It is there."""
        shown = transport.get_extra_info("ssl_object")
        certificate = shown.getpeercert(binary_form=True) if shown is not None else None
        self.app_state = {**self.app_state, CERTIFICATE: certificate}
        super().connection_made(transport)
        self._expect()

    def data_received(self, data: bytes) -> None:
        """More of a call: from its first byte on it has so long to be whole."""
        super().data_received(data)
        if self.conn.their_state in (h11.IDLE, h11.SEND_BODY) and self._is_half():
            self._expect()
        else:
            self._forget()

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone."""
        self._forget()
        super().connection_lost(exc)

    def shutdown(self) -> None:
        """The server ends. Who is idle is told so, and not waited for: under TLS they would have to
        answer."""
        super().shutdown()
        if self.transport.is_closing():
            self.loop.call_later(_GOODBYE_S, self.transport.abort)

    def _is_half(self) -> bool:
        return self.conn.their_state is h11.SEND_BODY or bool(self.conn.trailing_data[0])

    def _expect(self) -> None:
        if self._late is None:
            self._late = self.loop.call_later(_WHOLE_S, self._give_up)

    def _forget(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _give_up(self) -> None:
        self.transport.abort()


def _nobody_is_asked() -> str:
    """No key's password is asked for on a terminal."""
    return ""


def _why(error: Exception) -> str:
    return str(error.strerror) if isinstance(error, FileNotFoundError) else "they do not fit"


def _unfit(failed: str) -> UsageError:
    return UsageError(
        failed,
        expected="a certificate chain and its key in PEM, the key of mode 0600, without a password",
        next_step="name the right files with --tls-cert and --tls-key",
    )
