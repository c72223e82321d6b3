"""The API of the desk: the same acts as the commands `access` and `policy explain`, over HTTP.

Who calls is told by their token, or by the certificate of their connection; from where, by the
address that the connection comes from, or by that certificate: no header says anything of either.
Errors have one shape (`Problem`). Acts are done one at a time.
"""

from __future__ import annotations

from datetime import timedelta
from itertools import islice
from typing import TypeVar

from litestar import Controller, Litestar, get, post
from litestar.datastructures import State as Shared
from litestar.di import Provide
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import Components, SecurityScheme

import domicile
from domicile.console.described import describe, refuse_unknown_parameters
from domicile.console.forms import (
    AgreementForm,
    AnswerForm,
    ChangeForm,
    CloseForm,
    Decided,
    OpenAccess,
    Opened,
    QuestionForm,
    Requested,
    RequestForm,
    ToSign,
)
from domicile.console.limits import Gate, Limits
from domicile.console.office import Doorkeeper, find_caller, find_office
from domicile.console.problems import ERRORS, HANDLERS
from domicile.errors import EvidenceError
from domicile.ledger.note import Note, parse_note
from domicile.policy.agreements import agreement_note
from domicile.policy.decisions import Decision
from domicile.policy.desk import Desk, now_text
from domicile.policy.entries import AccessClosed, AccessOpened, GrantChanged, RequestAnswered
from domicile.policy.grants import AccessRequest, RequestView, Wanted, status
from domicile.policy.history import Happening, Sought, told
from domicile.policy.office import Office
from domicile.policy.questions import Caller
from domicile.policy.requests import Asking, make_request
from domicile.policy.standing import forbidden, unknown

__all__ = ["Accesses", "Requests", "healthy", "make_api"]

T = TypeVar("T")
_MOST_BYTES = 64 << 10
_A_PAGE = 500
_LIMITS = Limits()
_SECURITY: tuple[dict[str, list[str]], ...] = ({"token": []}, {"certificate": []})


def make_api(office: Office, limits: Limits = _LIMITS) -> Litestar:
    """The application, for an ASGI server."""
    gate = Gate(limits)
    app = Litestar(
        route_handlers=[Requests, Accesses, healthy],
        state=Shared({"office": office, "gate": gate}),
        dependencies={
            "office": Provide(find_office, sync_to_thread=False),
            "caller": Provide(find_caller),
        },
        exception_handlers=HANDLERS,
        middleware=[Doorkeeper(gate)],
        before_request=refuse_unknown_parameters,
        request_max_body_size=_MOST_BYTES,
        openapi_config=OpenAPIConfig(
            title="Domicile",
            version=domicile.__version__,
            description=__doc__,
            render_plugins=[JsonRenderPlugin()],  # others load scripts from elsewhere
            components=Components(
                security_schemes={
                    "token": SecurityScheme(
                        type="http", scheme="bearer", description="`domicile staff credential`"
                    ),
                    "certificate": SecurityScheme(
                        type="mutualTLS", description="`domicile staff credential --certificate`"
                    ),
                }
            ),
        ),
    )
    describe(app)
    return app


@get("/healthy", sync_to_thread=False, responses={429: ERRORS[429]})
def healthy() -> dict[str, str]:
    """Whether it answers at all."""
    return {"domicile": domicile.__version__}


class Requests(Controller):
    """Requests and the grants that they become."""

    path = "/v1/requests"
    tags = ("requests",)
    security = _SECURITY

    @post(sync_to_thread=True, responses=ERRORS)
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
        request, is_new = office.do(lambda desk: make_request(desk, asking))
        return Requested(request.id, is_new, status(request, now_text()), request.until)

    @get(sync_to_thread=True, responses=ERRORS)
    def listed(self, office: Office, caller: Caller, after: str = "") -> list[RequestView]:
        """The caller's own requests, and to an approver everybody's, in the order of their names; a
        page begins behind ``after``."""

        def found(desk: Desk) -> list[RequestView]:
            standing = desk.standing
            approves = standing.rules is not None and caller.staff in standing.rules.approvers
            shown = standing.requests.values() if approves else standing.of(caller.staff)
            page = sorted(
                (request for request in shown if request.id > after), key=lambda request: request.id
            )
            return [desk.describe(request.id) for request in page[:_A_PAGE]]

        return office.do(found)

    @get("/{request_id:str}", sync_to_thread=True, responses=ERRORS)
    def one(self, office: Office, caller: Caller, request_id: str) -> RequestView:
        """One of them, as it stands."""
        return office.do(lambda desk: desk.describe(_visible(desk, caller, request_id).id))

    @post("/{request_id:str}/answers", sync_to_thread=True, responses=ERRORS)
    def answer(
        self, office: Office, caller: Caller, request_id: str, data: AnswerForm
    ) -> RequestView:
        """Answer a request: an approver of the custodian, or (`informed`, `withdrawn`) who made it.
        Who agrees signs an agreement."""

        def answered(desk: Desk) -> RequestView:
            _visible(desk, caller, request_id)
            if data.answer not in ("informed", "withdrawn"):
                desk.require_may_answer(caller, request_id)
            words = desk.keep_words(data.words) if data.words else None
            desk.record(
                RequestAnswered(desk.boundary, request_id, caller.staff, data.answer, words)
            )
            return desk.describe(request_id)

        return office.do(answered)

    @get("/{request_id:str}/agreement", sync_to_thread=True, responses=ERRORS)
    def to_sign(self, office: Office, caller: Caller, request_id: str) -> ToSign:
        """What the caller, an approver, would sign to agree."""

        def found(desk: Desk) -> ToSign:
            _visible(desk, caller, request_id)
            agreement = desk.agreement(caller, request_id)
            return ToSign(agreement.what, f"{agreement_note(agreement).text}\n")

        return office.do(found)

    @post("/{request_id:str}/agreements", sync_to_thread=True, responses=ERRORS)
    def agree(
        self, office: Office, caller: Caller, request_id: str, data: AgreementForm
    ) -> RequestView:
        """Agree, as an approver of the custodian, with what was signed of the agreement."""

        def agreed(desk: Desk) -> RequestView:
            _visible(desk, caller, request_id)
            desk.agree(caller, request_id, _signed(data.note))
            return desk.describe(request_id)

        return office.do(agreed)

    @post("/{request_id:str}/changes", sync_to_thread=True, responses=ERRORS)
    def change(
        self, office: Office, caller: Caller, request_id: str, data: ChangeForm
    ) -> RequestView:
        """Revoke a grant."""

        def changed(desk: Desk) -> RequestView:
            request = _visible(desk, caller, request_id)
            if request.made.staff != caller.staff:
                desk.require_may_answer(caller, request_id)
            desk.record(GrantChanged(desk.boundary, request_id, caller.staff, data.change))
            return desk.describe(request_id)

        return office.do(changed)


class Accesses(Controller):
    """Decisions and accesses: a service that holds data itself asks here before each of them."""

    path = "/v1"
    tags = ("accesses",)
    security = _SECURITY

    @post("/decisions", sync_to_thread=True, responses=ERRORS, status_code=200)
    def decide(self, office: Office, caller: Caller, data: QuestionForm) -> Decided:
        """What would be decided now, and why. Nothing is recorded."""
        decision, _ = office.do(lambda desk: desk.decide(caller, _wanted(data)))
        return _told(decision)

    @post("/accesses", sync_to_thread=True, responses=ERRORS)
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

    @get("/accesses", sync_to_thread=True, responses=ERRORS)
    def not_closed(self, office: Office, caller: Caller, after: str = "") -> list[OpenAccess]:
        """The caller's accesses that were not closed, in the order of their names; a page begins
        behind ``after``: a service that was killed ends here what it began."""

        def found(desk: Desk) -> list[OpenAccess]:
            mine = (one for one in desk.standing.open.values() if one.asked.staff == caller.staff)
            page = sorted((one for one in mine if one.access > after), key=lambda one: one.access)
            return [_not_closed(one) for one in page[:_A_PAGE]]

        return office.do(found)

    @post("/accesses/{access_id:str}/close", sync_to_thread=True, responses=ERRORS, status_code=204)
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

    @get("/history", sync_to_thread=True, responses=ERRORS)
    def history(
        self,
        office: Office,
        caller: Caller,
        dataset: str | None = None,
        grant: str | None = None,
        since: str = "",
        after: int = -1,
    ) -> list[Happening]:
        """The caller's own history; to an approver everybody's. A page begins behind the ledger's
        index ``after``: that of the last line of the page before."""

        def found(desk: Desk) -> list[Happening]:
            standing = desk.standing
            approves = standing.rules is not None and caller.staff in standing.rules.approvers
            staff = None if approves else caller.staff
            sought = Sought(dataset=dataset, staff=staff, grant=grant, since=since)
            lines = (line for line in told(desk.events(), sought) if line.index > after)
            return list(islice(lines, _A_PAGE))

        return office.do(found)


def _visible(desk: Desk, caller: Caller, request_id: str) -> AccessRequest:
    """A request that the caller may see: their own, or any, as an approver. Who may not see it
    isn't told whether it is there."""
    standing = desk.standing
    request = standing.requests.get(request_id)
    approves = standing.rules is not None and caller.staff in standing.rules.approvers
    if request is None or not (approves or request.made.staff == caller.staff):
        raise unknown("request", "of that name")
    return request


def _signed(note: str) -> Note:
    """Raises AccessForbidden."""
    try:
        return parse_note(note.encode())
    except (EvidenceError, ValueError):
        raise forbidden(
            "what was signed is no signed note",
            "get the agreement, sign it with `domicile access sign`, and send all that came out",
        ) from None


def _not_closed(opened: AccessOpened) -> OpenAccess:
    asked = opened.asked
    return OpenAccess(
        opened.access, asked.action, asked.dataset, asked.grant, opened.job, opened.caps
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
