"""Making a request: a live grant that covers it already is reused."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from domicile.errors import UsageError
from domicile.ledger import Pseudonym, time_text
from domicile.policy.desk import Desk, new_id, now_text, words_digest
from domicile.policy.entries import Action, Caps, RequestMade
from domicile.policy.grants import AccessRequest, Wanted
from domicile.policy.standing import Standing

__all__ = ["Asking", "make_request"]


@dataclass(frozen=True, slots=True)
class Asking:
    """What is asked for, and why. starts: as entries write times; None is now. lasts: from its
    start, or, of what extends a grant, from now."""

    staff: str
    form: Literal["ordinary", "standing", "break-glass"]
    actions: tuple[Action, ...]
    datasets: tuple[str, ...]
    purpose: str
    ticket: str
    reason: str
    starts: str | None
    lasts: timedelta
    caps: Caps
    person: Pseudonym | None = None
    extends: str | None = None


def make_request(desk: Desk, asking: Asking) -> tuple[AccessRequest, bool]:
    """The request, and whether it is new: otherwise it is a live grant that covers what is asked.
    Raises AccessForbidden; UsageError where its start is no time."""
    now = now_text()
    covering = _covering(desk.standing, asking, now)
    if covering is not None:
        return covering, False
    starts = asking.starts or now
    ends = _end(starts, asking.lasts)
    made = RequestMade(
        boundary=desk.boundary,
        request=new_id("r"),
        staff=asking.staff,
        form=asking.form,
        actions=tuple(dict.fromkeys(asking.actions)),
        datasets=tuple(dict.fromkeys(asking.datasets)),
        purpose=asking.purpose,
        ticket=asking.ticket,
        starts=starts,
        ends=ends,
        caps=asking.caps,
        reason_sha256=words_digest(asking.reason),
        person=asking.person,
        extends=asking.extends,
    )
    desk.check(made)
    desk.keep_words(asking.reason)
    desk.record(made)
    return desk.standing.requests[made.request], True


def _end(starts: str, lasts: timedelta) -> str:
    try:
        return time_text(datetime.fromisoformat(starts).astimezone(UTC) + lasts)
    except (ValueError, OverflowError):
        raise UsageError(
            "the start is no time, or too late to have an end",
            expected="such as 2026-01-31T08:00:00.000Z",
            next_step="correct the start",
        ) from None


def _covering(standing: Standing, asking: Asking, now: str) -> AccessRequest | None:
    """A live grant of all that is asked for now, with no narrower caps; not of another person."""
    if asking.starts is not None or asking.extends is not None:
        return None
    found = [
        standing.grant_for(
            asking.staff,
            Wanted(action, dataset, asking.purpose, asking.ticket, person=asking.person),
            now,
        )
        for action in asking.actions
        for dataset in asking.datasets
    ]
    grant = found[0]
    if grant is None or any(one is not grant for one in found):
        return None
    same = (grant.made.person, grant.made.form) == (asking.person, asking.form)
    lasts = grant.until >= _end(now, asking.lasts)
    return grant if same and lasts and _fits(asking.caps, grant.left()) else None


def _fits(wanted: Caps, left: Caps) -> bool:
    pairs = (wanted.items, left.items), (wanted.size_bytes, left.size_bytes)
    return all(has is None or (want is not None and want <= has) for want, has in pairs)
