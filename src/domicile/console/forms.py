"""What the API takes and gives, as JSON; OpenAPI is made from these. Sizes are bounded here."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from domicile.policy.entries import AccessId, Action, Caps, Dataset, RequestId, Ticket, Word

__all__ = [
    "AgreementForm",
    "AnswerForm",
    "ChangeForm",
    "CloseForm",
    "Decided",
    "OpenAccess",
    "Opened",
    "Problem",
    "QuestionForm",
    "RequestForm",
    "Requested",
    "ToSign",
]

Words = Annotated[str, Meta(max_length=2_000)]
_DAY = (
    r"(?:(?:0[13578]|1[02])-(?:0[1-9]|[12]\d|3[01])|(?:0[469]|11)-(?:0[1-9]|[12]\d|30)"
    r"|02-(?:0[1-9]|[12]\d))"
)
Moment = Annotated[
    str, Meta(pattern=rf"^2\d{{3}}-{_DAY}T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d\.\d{{3}}Z\Z")
]
"""A time as entries write it, in UTC."""
Hours = Annotated[int, Meta(ge=1, le=366 * 24)]


class _Form(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    pass


class QuestionForm(_Form, frozen=True):
    """What the caller wants to do. job: the run of a job that it is part of."""

    dataset: Dataset
    purpose: Word
    action: Action = "read"
    ticket: Ticket = ""
    single: bool = False
    job: Annotated[str, Meta(max_length=100)] = ""


class RequestForm(_Form, frozen=True):
    """What is asked for. hours: how long, from its start."""

    datasets: Annotated[tuple[Dataset, ...], Meta(min_length=1, max_length=100)]
    purpose: Word
    actions: Annotated[tuple[Action, ...], Meta(min_length=1, max_length=8)] = ("read",)
    ticket: Ticket = ""
    reason: Words = ""
    hours: Hours = 8
    starts: Moment | None = None
    form: Literal["ordinary", "standing", "break-glass"] = "ordinary"
    caps: Caps = Caps()
    extends: RequestId | None = None


class AnswerForm(_Form, frozen=True):
    """What somebody answers to a request."""

    answer: Literal["asked", "informed", "denied", "withdrawn"]
    words: Words = ""


class AgreementForm(_Form, frozen=True):
    """What an approver signed: the whole note, as `domicile access sign` wrote it."""

    note: str


class ChangeForm(_Form, frozen=True):
    """What becomes of a grant."""

    change: Literal["revoked"]


class CloseForm(_Form, frozen=True):
    """What really went."""

    items: Annotated[int, Meta(ge=0, le=2**53 - 1)]
    size_bytes: Annotated[int, Meta(ge=0, le=2**53 - 1)]
    ended: Literal["whole", "capped", "revoked", "left", "failed"] = "whole"


class ToSign(msgspec.Struct, frozen=True):
    """What an approver would sign of a request now: that it is approved, or of a grant, that it was
    reviewed. note: for `domicile access sign`, byte for byte."""

    what: Literal["approved", "reviewed"]
    note: str


class Decided(msgspec.Struct, frozen=True):
    """A decision, explained."""

    allowed: bool
    policies: tuple[str, ...]
    facts: dict[str, str]
    sentence: str
    next_step: str


class Opened(msgspec.Struct, frozen=True):
    """An access that began: what it must keep to, and the decision."""

    access: AccessId
    caps: Caps
    mask: tuple[str, ...]
    sample: float
    seal_query: bool
    decision: Decided


class OpenAccess(msgspec.Struct, frozen=True):
    """An access of the caller's that was not closed: what it may take counts until it is."""

    access: AccessId
    action: str
    dataset: str
    grant: str
    job: str
    caps: Caps


class Requested(msgspec.Struct, frozen=True):
    """A request, or the live grant that covers it already."""

    request: RequestId
    is_new: bool
    status: str
    until: str


class Problem(msgspec.Struct, frozen=True):
    """Every error, as RFC 9457 has it, with what was expected and the next step."""

    title: str
    status: int
    detail: str
    expected: str = ""
    next_step: str = ""
    policies: tuple[str, ...] = ()
