"""Who calls over HTTP."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from time import monotonic
from typing import Any

from litestar import Request
from litestar.concurrency import sync_to_thread
from litestar.datastructures import State as Shared
from litestar.enums import ScopeType
from litestar.middleware import ASGIMiddleware
from litestar.types import ASGIApp, Receive, Scope, Send

from domicile.console.limits import Gate
from domicile.console.serving import CERTIFICATE
from domicile.errors import BadToken
from domicile.policy.office import Office
from domicile.policy.questions import Caller

__all__ = ["Doorkeeper", "Presented", "find_caller", "find_office"]

_BEARER = "bearer "
_NOWHERE = "0.0.0.0"  # noqa: S104 - an address of no network


@dataclass(frozen=True, slots=True)
class Presented:
    """What a call shows of who makes it: a token, the address of its connection, and the client's
    certificate (DER) that this proved."""

    token: str
    address: str
    certificate: bytes | None

    @property
    def key(self) -> str:
        """Under what its caller is counted: the token, or without one the certificate."""
        if self.token or self.certificate is None:
            return self.token
        return f"certificate {sha256(self.certificate).hexdigest()}"


class Doorkeeper(ASGIMiddleware):
    """Lets nobody in who calls too often."""

    scopes = (ScopeType.HTTP,)

    def __init__(self, gate: Gate) -> None:
        self._gate = gate

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        """Pass a call on. Raises TooOften."""
        shown = _shown(Request(scope))
        self._gate.enter(shown.key, shown.address, monotonic())
        await next_app(scope, receive, send)


def find_office(state: Shared) -> Office:
    """The office of an application."""
    office: Office = state["office"]
    return office


async def find_caller(request: Request[Any, Any, Any], office: Office, state: Shared) -> Caller:
    """Who calls. Raises AccessForbidden."""
    shown = _shown(request)
    gate: Gate = state["gate"]
    try:
        caller: Caller = await sync_to_thread(
            office.caller, shown.token, shown.address, shown.certificate
        )
    except BadToken:
        if shown.key:
            gate.failed(shown.key, shown.address, monotonic())
        raise
    gate.succeeded(shown.key)
    return caller


def _shown(request: Request[Any, Any, Any]) -> Presented:
    header = request.headers.get("authorization", "")
    token = header[len(_BEARER) :] if header.lower().startswith(_BEARER) else ""
    address = request.client.host if request.client else _NOWHERE
    return Presented(token, address, request.scope.get("state", {}).get(CERTIFICATE))
