"""The witness's HTTP interface (C2SP tlog-witness): submission and monitoring under one prefix.

What comes in is hostile: bodies, header lines, connections and the time that a client takes are
bounded. 408, 413 and 503 are HTTP's own; every other status is the specification's.
"""

from __future__ import annotations

import asyncio
import signal
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiohttp import web

from domicile.errors import UsageError
from domicile.ledger.witness.witness import Answer, Witness

__all__ = ["Limits", "Listen", "serve", "serving"]

_LARGEST_BODY_BYTES = 131_072  # 63 hashes, and a checkpoint under 16 signatures of any kind
_STOP_S = 10.0
_BACKLOG = 128


@dataclass(frozen=True, slots=True)
class Limits:
    """body_s: for a request's body. idle_s: between two requests, and for a request's head.
    connections: at one time; more are closed at once."""

    body_s: float = 10.0
    idle_s: float = 30.0
    connections: int = 256


@dataclass(frozen=True, slots=True)
class Listen:
    """Where to listen; port 0 takes a free one."""

    host: str
    port: int
    tls: ssl.SSLContext | None = None


class _Interface:
    def __init__(self, witness: Witness, limits: Limits) -> None:
        self._witness, self._limits = witness, limits

    async def add_checkpoint(self, request: web.Request) -> web.Response:
        try:
            async with asyncio.timeout(self._limits.body_s):
                body = await request.read()
        except TimeoutError:
            raise web.HTTPRequestTimeout(headers={"Connection": "close"}) from None
        return _response(await asyncio.to_thread(self._witness.add_checkpoint, body))

    async def checkpoint(self, request: web.Request) -> web.Response:
        return _response(self._witness.checkpoint(request.match_info["log"]))


class _TooMany(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.close()


@asynccontextmanager
async def serving(witness: Witness, listen: Listen, limits: Limits) -> AsyncIterator[str]:
    """Serve while the context lasts; its URL. At the end requests under way are answered first.
    Raises UsageError where it cannot listen there."""
    interface = _Interface(witness, limits)
    app = web.Application(client_max_size=_LARGEST_BODY_BYTES)
    app.router.add_post("/add-checkpoint", interface.add_checkpoint)
    app.router.add_get("/{log:[0-9a-f]{64}}/checkpoint", interface.checkpoint)
    runner = web.AppRunner(
        app,
        access_log=None,
        keepalive_timeout=limits.idle_s,
        auto_decompress=False,
        shutdown_timeout=_STOP_S,
    )
    await runner.setup()
    try:
        server = await _listen(runner, listen, limits)
        try:
            yield _url(server, listen)
        finally:
            server.close()
    finally:
        await runner.cleanup()


def serve(witness: Witness, listen: Listen, ready: Callable[[str], None]) -> None:
    """Serve until SIGTERM or SIGINT. ready is told the URL. Raises like `serving`."""
    asyncio.run(_until_stopped(witness, listen, ready))


async def _until_stopped(witness: Witness, listen: Listen, ready: Callable[[str], None]) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with serving(witness, listen, Limits()) as url:
        ready(url)
        await stop.wait()


async def _listen(runner: web.AppRunner, listen: Listen, limits: Limits) -> asyncio.Server:
    made = runner.server
    if made is None:
        raise RuntimeError("the runner was not set up")

    def admit() -> asyncio.Protocol:
        return made() if len(made.connections) < limits.connections else _TooMany()

    try:
        return await asyncio.get_running_loop().create_server(
            admit, listen.host, listen.port, ssl=listen.tls, backlog=_BACKLOG
        )
    except OSError as error:
        raise UsageError(
            f"the witness cannot listen at {listen.host}:{listen.port} ({error.strerror})",
            expected="an address of this machine and a free port",
            next_step="choose another with --listen",
        ) from error


def _url(server: asyncio.Server, listen: Listen) -> str:
    bound: socket.socket = server.sockets[0]
    host, port = bound.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    return f"{'https' if listen.tls else 'http'}://{shown}:{port}"


def _response(answer: Answer) -> web.Response:
    return web.Response(
        status=answer.status,
        body=answer.body.encode(),
        headers={"Content-Type": answer.content_type, "X-Content-Type-Options": "nosniff"},
    )
