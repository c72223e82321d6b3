"""The API of the desk: the same acts as the commands `access` and `policy explain`, over HTTP.

Who calls is told by their token; from where, by the address that the connection comes from: no
header says anything about either. Errors have one shape (`Problem`). Acts are done one at a time.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import timedelta
from http import HTTPStatus
from itertools import islice
from threading import Lock
from typing import Any, TypeVar

from litestar import Controller, Litestar, Request, Response, get, post
from litestar.concurrency import sync_to_thread
from litestar.datastructures import State as Shared
from litestar.di import Provide
from litestar.exceptions import HTTPException
from litestar.middleware.rate_limit import RateLimitConfig
from litestar.openapi import OpenAPIConfig, ResponseSpec
from litestar.openapi.spec import Components, SecurityScheme

import domicile
from domicile.charter import Charter
from domicile.console.forms import (
    AnswerForm,
    ChangeForm,
    CloseForm,
    Decided,
    Opened,
    Problem,
    QuestionForm,
    Requested,
    RequestForm,
    Standing,
)
from domicile.errors import (
    AccessForbidden,
    BadToken,
    DomicileError,
    EvidenceError,
    OperatorError,
    Unknown,
)
from domicile.policy.credentials import authenticate
from domicile.policy.decisions import Decision
from domicile.policy.desk import Denied, Desk, now_text
from domicile.policy.entries import AccessClosed, GrantChanged, RequestAnswered
from domicile.policy.grants import Held, status
from domicile.policy.history import Line, Sought, told
from domicile.policy.questions import Caller, Wanted, country_of
from domicile.policy.requests import Asking, make_request
from domicile.policy.standing import unknown
from domicile.state import State

__all__ = ["Accesses", "Office", "Requests", "healthy", "make_api"]

T = TypeVar("T")
_PROBLEM = "application/problem+json"
_LOG = logging.getLogger(__name__)
_MOST_BYTES = 64 << 10
_A_SECOND = 50
_A_PAGE = 500
_BEARER = "bearer "
_NOWHERE = "0.0.0.0"  # noqa: S104 - an address of no network
_OURS = 500
_ERRORS = {
    400: ResponseSpec(Problem, description="It can't be understood", media_type=_PROBLEM),
    401: ResponseSpec(Problem, description="The token is not good", media_type=_PROBLEM),
    403: ResponseSpec(Problem, description="The policy in force forbids it", media_type=_PROBLEM),
    404: ResponseSpec(Problem, description="There is no such thing", media_type=_PROBLEM),
    409: ResponseSpec(Problem, description="A rule forbids it now", media_type=_PROBLEM),
    413: ResponseSpec(Problem, description="The body is too large", media_type=_PROBLEM),
    429: ResponseSpec(Problem, description="Too many requests", media_type=_PROBLEM),
    503: ResponseSpec(Problem, description="It can't be recorded", media_type=_PROBLEM),
}


class Office:
    """A desk that several requests share, one at a time."""

    def __init__(self, charter: Charter, desk: Desk, state: State) -> None:
        self._charter, self._desk, self._state = charter, desk, state
        self._turn = Lock()

    def caller(self, header: str, address: str) -> Caller:
        """Who calls. Raises AccessForbidden."""
        token = header[len(_BEARER) :] if header.lower().startswith(_BEARER) else ""
        country = country_of(self._charter, address)
        with self._turn:
            return authenticate(self._desk, self._state, token, country)

    def do(self, act: Callable[[Desk], T]) -> T:
        """One act at the desk."""
        with self._turn:
            return act(self._desk)


def make_api(office: Office) -> Litestar:
    """The application, for an ASGI server."""
    return Litestar(
        route_handlers=[Requests, Accesses, healthy],
        state=Shared({"office": office}),
        dependencies={"office": Provide(_office, sync_to_thread=False), "caller": Provide(_caller)},
        exception_handlers={
            DomicileError: _tell_ours,
            HTTPException: _tell_http,
            Exception: _tell_unknown,
        },
        middleware=[RateLimitConfig(rate_limit=("second", _A_SECOND)).middleware],
        request_max_body_size=_MOST_BYTES,
        openapi_config=OpenAPIConfig(
            title="Domicile",
            version=domicile.__version__,
            description=__doc__,
            security=[{"token": []}],
            components=Components(
                security_schemes={
                    "token": SecurityScheme(
                        type="http", scheme="bearer", description="`domicile staff credential`"
                    )
                }
            ),
        ),
    )


def _office(state: Shared) -> Office:
    office: Office = state["office"]
    return office


async def _caller(request: Request[Any, Any, Any], office: Office) -> Caller:
    address = request.client.host if request.client else _NOWHERE
    header = request.headers.get("authorization", "")
    caller: Caller = await sync_to_thread(office.caller, header, address)
    return caller


@get("/healthy", sync_to_thread=False, security=[])
def healthy() -> dict[str, str]:
    """Whether it answers at all."""
    return {"domicile": domicile.__version__}


class Requests(Controller):
    """Requests and the grants that they become."""

    path = "/v1/requests"
    tags = ("requests",)

    @post(sync_to_thread=True, responses=_ERRORS)
    def ask(self, office: Office, caller: Caller, data: RequestForm) -> Requested:
        """Ask for access. A live grant that covers it is named instead."""
        asking = Asking(
            caller.staff,
            data.form,
            data.actions,
            data.datasets,
            data.purpose,
            data.ticket,
            data.reason,
            data.starts,
            timedelta(hours=data.hours),
            data.caps,
            extends=data.extends,
        )
        held, is_new = office.do(lambda desk: make_request(desk, asking))
        return Requested(held.id, is_new, status(held, now_text()), held.until)

    @get(sync_to_thread=True, responses=_ERRORS)
    def listed(self, office: Office, caller: Caller, after: str = "") -> list[Standing]:
        """The caller's own requests, and to an approver everybody's, in the order of their names; a
        page begins behind ``after``."""

        def found(desk: Desk) -> list[Standing]:
            standing = desk.standing
            approves = standing.rules is not None and caller.staff in standing.rules.approvers
            shown = standing.requests.values() if approves else standing.of(caller.staff)
            page = sorted((held for held in shown if held.id > after), key=lambda held: held.id)
            return [_stands(held) for held in page[:_A_PAGE]]

        return office.do(found)

    @get("/{request_id:str}", sync_to_thread=True, responses=_ERRORS)
    def one(self, office: Office, caller: Caller, request_id: str) -> Standing:
        """One of them, as it stands."""
        return office.do(lambda desk: _stands(_visible(desk, caller, request_id)))

    @post("/{request_id:str}/answers", sync_to_thread=True, responses=_ERRORS)
    def answer(self, office: Office, caller: Caller, request_id: str, data: AnswerForm) -> Standing:
        """Answer a request: an approver of the custodian, or (`informed`, `withdrawn`) who made
        it."""

        def answered(desk: Desk) -> Standing:
            _visible(desk, caller, request_id)
            if data.answer not in ("informed", "withdrawn"):
                desk.require_may_answer(caller, request_id)
            words = desk.keep_words(data.words) if data.words else None
            desk.record(
                RequestAnswered(desk.boundary, request_id, caller.staff, data.answer, words)
            )
            return _stands(desk.standing.requests[request_id])

        return office.do(answered)

    @post("/{request_id:str}/changes", sync_to_thread=True, responses=_ERRORS)
    def change(self, office: Office, caller: Caller, request_id: str, data: ChangeForm) -> Standing:
        """Revoke a grant, or say that it was reviewed."""

        def changed(desk: Desk) -> Standing:
            _visible(desk, caller, request_id)
            desk.record(GrantChanged(desk.boundary, request_id, caller.staff, data.change))
            return _stands(desk.standing.requests[request_id])

        return office.do(changed)


class Accesses(Controller):
    """Decisions and accesses: a service that holds data itself asks here before each of them."""

    path = "/v1"
    tags = ("accesses",)

    @post("/decisions", sync_to_thread=True, responses=_ERRORS, status_code=200)
    def decide(self, office: Office, caller: Caller, data: QuestionForm) -> Decided:
        """What would be decided now, and why. Nothing is recorded."""
        decision, _ = office.do(lambda desk: desk.decide(caller, _wanted(data)))
        return _told(decision)

    @post("/accesses", sync_to_thread=True, responses=_ERRORS)
    def open(self, office: Office, caller: Caller, data: QuestionForm) -> Opened:
        """Begin an access. It is in the ledger before this is answered, and so is a denial."""
        decision, opened = office.do(lambda desk: desk.open(caller, _wanted(data), job=data.job))
        duty = decision.obligations
        return Opened(
            opened.access,
            opened.caps,
            tuple(sorted(duty.mask)),
            duty.sample,
            duty.seal_query,
            _told(decision),
        )

    @post(
        "/accesses/{access_id:str}/close", sync_to_thread=True, responses=_ERRORS, status_code=204
    )
    def close(self, office: Office, caller: Caller, access_id: str, data: CloseForm) -> None:
        """End an access, with what really went."""

        def closed(desk: Desk) -> None:
            opened = desk.standing.open.get(access_id)
            if opened is None or opened.asked.staff != caller.staff:
                raise unknown("open access of yours", "of that name")
            done = AccessClosed(
                desk.boundary, opened.access, data.items, data.size_bytes, data.ended
            )
            desk.close(opened, done)

        office.do(closed)

    @get("/history", sync_to_thread=True, responses=_ERRORS)
    def history(
        self,
        office: Office,
        caller: Caller,
        dataset: str | None = None,
        grant: str | None = None,
        since: str = "",
    ) -> list[Line]:
        """The caller's own history; to an approver everybody's."""

        def found(desk: Desk) -> list[Line]:
            standing = desk.standing
            approves = standing.rules is not None and caller.staff in standing.rules.approvers
            staff = None if approves else caller.staff
            sought = Sought(dataset=dataset, staff=staff, grant=grant, since=since)
            return list(islice(told(desk.events(), sought), _A_PAGE))

        return office.do(found)


def _visible(desk: Desk, caller: Caller, request: str) -> Held:
    """A request that the caller may see: their own, or any, as an approver. Who may not see it
    isn't told whether it is there."""
    standing = desk.standing
    held = standing.requests.get(request)
    approves = standing.rules is not None and caller.staff in standing.rules.approvers
    if held is None or not (approves or held.made.staff == caller.staff):
        raise unknown("request", "of that name")
    return held


def _stands(held: Held) -> Standing:
    made = held.made
    return Standing(
        held.id,
        status(held, now_text()),
        made.form,
        made.staff,
        made.actions,
        made.datasets,
        made.purpose,
        made.ticket,
        made.starts,
        held.until,
        tuple(held.approved_by),
        held.owes_review,
    )


def _wanted(form: QuestionForm) -> Wanted:
    return Wanted(form.action, form.dataset, form.purpose, form.ticket, form.single)


def _told(decision: Decision) -> Decided:
    return Decided(
        decision.allowed,
        decision.policies,
        dict(decision.facts),
        decision.sentence,
        decision.next_step,
    )


def _tell_ours(_: Request[Any, Any, Any], error: DomicileError) -> Response[Problem]:
    code = _code(error)
    if code >= _OURS:
        _LOG.error("%s: %s", type(error).__name__, error.failed)
    policies = error.decision.policies if isinstance(error, Denied) else ()
    return _problem(code, error.failed, error.expected, error.next_step, policies)


def _code(error: DomicileError) -> int:
    if isinstance(error, Denied):
        return 403
    if isinstance(error, BadToken):
        return 401
    if isinstance(error, Unknown):
        return 404
    if isinstance(error, AccessForbidden):
        return 409
    if isinstance(error, OperatorError):
        return 400
    return 500 if isinstance(error, EvidenceError) else 503


def _tell_http(_: Request[Any, Any, Any], error: HTTPException) -> Response[Problem]:
    extra = error.extra if isinstance(error.extra, list) else []
    wrong = "; ".join(str(part.get("message", "")) for part in extra if isinstance(part, dict))
    headers = {name: str(value) for name, value in (error.headers or {}).items()}
    return _problem(error.status_code, wrong or error.detail, headers=headers)


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
