"""How errors are told over HTTP: one shape (RFC 9457), whatever went wrong."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from http import HTTPStatus
from math import ceil
from typing import Any

from litestar import Request, Response
from litestar.exceptions import HTTPException
from litestar.openapi import ResponseSpec

from domicile.console.forms import Problem
from domicile.console.limits import TooOften
from domicile.errors import (
    AccessForbidden,
    BadToken,
    CharterError,
    DomicileError,
    EvidenceError,
    OperatorError,
    Unknown,
)
from domicile.policy.desk import Denied

__all__ = ["ERRORS", "HANDLERS"]

_PROBLEM = "application/problem+json"
_LOG = logging.getLogger(__name__)
_OURS = 500
ERRORS = {
    400: ResponseSpec(Problem, description="It can't be understood", media_type=_PROBLEM),
    401: ResponseSpec(Problem, description="The token is not good", media_type=_PROBLEM),
    403: ResponseSpec(Problem, description="The policy in force forbids it", media_type=_PROBLEM),
    404: ResponseSpec(Problem, description="There is no such thing", media_type=_PROBLEM),
    409: ResponseSpec(Problem, description="A rule forbids it now", media_type=_PROBLEM),
    413: ResponseSpec(Problem, description="The body is too large", media_type=_PROBLEM),
    429: ResponseSpec(Problem, description="Too many requests", media_type=_PROBLEM),
    503: ResponseSpec(
        Problem, description="It can't be recorded, or not be told who calls", media_type=_PROBLEM
    ),
}
"""What any operation may answer instead."""


def _tell_ours(_: Request[Any, Any, Any], error: DomicileError) -> Response[Problem]:
    code = _code(error)
    if code >= _OURS:
        _LOG.error("%s: %s", type(error).__name__, error.failed)
    policies = error.decision.policies if isinstance(error, Denied) else ()
    return _problem(code, error.failed, error.expected, error.next_step, policies)


_CODES: tuple[tuple[type[DomicileError], int], ...] = (
    (Denied, 403),
    (BadToken, 401),
    (Unknown, 404),
    (AccessForbidden, 409),
    (CharterError, 503),  # another one is in force by now
    (OperatorError, 400),
    (EvidenceError, 500),
)


def _code(error: DomicileError) -> int:
    return next((code for kind, code in _CODES if isinstance(error, kind)), 503)


def _tell_http(_: Request[Any, Any, Any], error: HTTPException) -> Response[Problem]:
    extra = error.extra if isinstance(error.extra, list) else []
    wrong = "; ".join(str(part.get("message", "")) for part in extra if isinstance(part, dict))
    headers = {name: str(value) for name, value in (error.headers or {}).items()}
    return _problem(error.status_code, wrong or error.detail, headers=headers)


def _tell_too_often(_: Request[Any, Any, Any], error: TooOften) -> Response[Problem]:
    seconds = ceil(error.wait_s)
    headers = {"Retry-After": str(seconds)}
    return _problem(429, str(error), next_step=f"call again in {seconds} s", headers=headers)


def _tell_too_deep(_: Request[Any, Any, Any], __: RecursionError) -> Response[Problem]:
    return _problem(400, "the body is nested too deep")


def _tell_unknown(_: Request[Any, Any, Any], error: Exception) -> Response[Problem]:
    _LOG.exception("not answered", exc_info=error)
    return _problem(500, "it was not answered", next_step="see the server's log")


def _problem(
    code: int,
    detail: str,
    expected: str = "",
    next_step: str = "",
    policies: Sequence[str] = (),
    headers: dict[str, str] | None = None,
) -> Response[Problem]:
    title = HTTPStatus(code).phrase
    body = Problem(title, code, detail, expected, next_step, tuple(policies))
    return Response(body, status_code=code, media_type=_PROBLEM, headers=headers)


HANDLERS: dict[int | type[Exception], Callable[[Request[Any, Any, Any], Any], Response[Any]]] = {
    DomicileError: _tell_ours,
    TooOften: _tell_too_often,
    HTTPException: _tell_http,
    RecursionError: _tell_too_deep,
    Exception: _tell_unknown,
}
"""Who tells which error."""
