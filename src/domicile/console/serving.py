"""An ASGI application on Granian, in this process, until it is told to stop."""

from __future__ import annotations

import asyncio
import signal
from typing import Any

from granian.constants import Interfaces
from granian.server.embed import Server

__all__ = ["serve_until"]


def serve_until(application: Any, address: str, port: int) -> None:  # noqa: ANN401 - any ASGI's
    """Serve until SIGINT or SIGTERM; what is being answered is answered first."""
    asyncio.run(_serve(application, address, port))


async def _serve(application: Any, address: str, port: int) -> None:  # noqa: ANN401 - as above
    server = Server(
        application, address=address, port=port, interface=Interfaces.ASGI, log_enabled=False
    )
    loop = asyncio.get_running_loop()
    for each in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(each, server.stop)
    await server.serve()
