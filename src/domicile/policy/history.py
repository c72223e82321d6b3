"""Who could, who did, under which grant: the ledger's entries, told. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import msgspec

from domicile.ledger import Body, Entry, time_text
from domicile.policy.entries import (
    AccessClosed,
    AccessDenied,
    AccessOpened,
    AccessRefused,
    Agreed,
    Asked,
    GrantChanged,
    RequestAnswered,
    RequestMade,
)

__all__ = ["Happening", "Sought", "told"]


@dataclass(frozen=True, slots=True)
class Sought:
    """Whose history: of a dataset, a staff member, a person's pseudonym, a grant; in a time. None
    means any; several must all fit."""

    dataset: str | None = None
    staff: str | None = None
    person: str | None = None
    grant: str | None = None
    since: str = ""
    until: str = "9999"


class Happening(msgspec.Struct, frozen=True):
    """One thing that happened. counts: whether it did anything, by the rules."""

    index: int
    time: str
    staff: str
    kind: str
    sentence: str
    counts: bool = True


@dataclass(frozen=True, slots=True)
class _About:
    datasets: tuple[str, ...]
    staff: tuple[str, ...]
    person: str | None
    grant: str


def told(events: Iterable[tuple[int, Entry, str | None]], sought: Sought) -> Iterator[Happening]:
    """A line for each entry that is sought, in the ledger's order. events: index, entry, and why
    it does not count, if it does not."""
    requests: dict[str, RequestMade] = {}
    accesses: dict[str, AccessOpened] = {}
    for index, entry, why in events:
        body, time = entry.body, time_text(entry.time)
        if isinstance(body, RequestMade):
            requests[body.request] = body
        elif isinstance(body, AccessOpened):
            accesses[body.access] = body
        about = _about(body, requests, accesses)
        if about is None or not _fits(about, sought, time):
            continue
        sentence = _sentence(body)
        sentence = f"{sentence}; it does not count: {why}" if why else sentence
        yield Happening(index, time, about.staff[-1], entry.kind, sentence, not why)


def _about(
    body: Body, requests: dict[str, RequestMade], accesses: dict[str, AccessOpened]
) -> _About | None:
    match body:
        case RequestMade():
            return _of_request(body, body.staff)
        case RequestAnswered() | Agreed() | GrantChanged() if body.request in requests:
            return _of_request(requests[body.request], body.by or "operator")
        case AccessOpened() | AccessDenied():
            return _of_access(body.asked, body.person)
        case AccessClosed() if body.access in accesses:
            opened = accesses[body.access]
            return _of_access(opened.asked, opened.person)
        case AccessRefused():
            datasets = (body.dataset,) if body.dataset is not None else ()
            return _About(datasets, (body.staff,), None, "")
        case _:
            return None


def _of_request(made: RequestMade, by: str) -> _About:
    return _About(made.datasets, (made.staff, by), made.person, made.request)


def _of_access(asked: Asked, person: str | None) -> _About:
    return _About((asked.dataset,), (asked.staff,), person, asked.grant)


def _fits(about: _About, sought: Sought, time: str) -> bool:
    return (
        sought.since <= time < sought.until
        and (sought.dataset is None or sought.dataset in about.datasets)
        and (sought.staff is None or sought.staff in about.staff)
        and (sought.person is None or sought.person == about.person)
        and (sought.grant is None or sought.grant == about.grant)
    )


def _sentence(body: Body) -> str:
    match body:
        case RequestAnswered():
            return f"{body.answer} {body.request}"
        case Agreed():
            return f"{body.what} {body.request}, signed"
        case GrantChanged():
            return f"{body.change} {body.request}"
        case RequestMade():
            what = f"{', '.join(body.actions)} {', '.join(body.datasets)} for {body.purpose}"
            verb = "broke glass" if body.form == "break-glass" else "asked"
            return f"{verb} to {what}, {body.starts} to {body.ends} ({body.request})"
        case _:
            return _access(body)


def _access(body: Body) -> str:
    match body:
        case AccessOpened():
            under = f" under {body.asked.grant}" if body.asked.grant else ""
            return f"began to {_did(body.asked)}{under}, allowed by {', '.join(body.policies)}"
        case AccessDenied():
            return f"was denied to {_did(body.asked)}, by {', '.join(body.policies)}"
        case AccessClosed():
            went = f"{body.items:,} items, {body.size_bytes:,} bytes"
            return f"ended {body.access} ({body.ended}): {went}"
        case AccessRefused():
            wanted = f" to {body.action} {body.dataset}" if body.action else ""
            return f"was turned away{wanted}: {_WHY[body.why]}"
        case _:
            return ""


_WHY = {
    "credential-over": "the credential was over",
    "staff-not-active": "they may nothing now",
    "no-policy": "no policy was in force",
}


def _did(asked: Asked) -> str:
    where = asked.country or "an unknown country"
    return f"{asked.action} {asked.dataset} for {asked.purpose or 'no purpose'} from {where}"
