"""What is told of requests and grants, and to whom it is, as JSON and as mail. Pure.

Rules:
1. A notice says no more than the ledger does: which request, of which datasets, for what purpose,
   by whom, from when to when. Never reasons, persons, tickets, tokens.
2. What is told comes from the ledger's entries that count, and of ends from how grants stand. So
   the same entry makes the same notice under the same id, whoever sends it, however often.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from base64 import b64decode, b64encode
from collections.abc import Iterator
from datetime import datetime, timedelta
from email.message import EmailMessage
from typing import Literal

import msgspec

from domicile.charter import Mail
from domicile.errors import SiteRefused
from domicile.ledger import Body, time_text
from domicile.policy.entries import Agreed, GrantChanged, RequestAnswered, RequestMade, StaffChanged
from domicile.policy.grants import AccessRequest, status
from domicile.policy.standing import Standing

__all__ = ["Event", "Notice", "endings", "mail_of", "notices_of", "signed_headers"]

Event = Literal[
    "request.made",
    "request.answered",
    "grant.begun",
    "grant.revoked",
    "grant.reviewed",
    "grant.ending",
    "glass.broken",
]
_SOON = timedelta(hours=1)
_SECRET = "whsec_"  # noqa: S105 - how a secret begins
_LEAST_BYTES, _MOST_BYTES = 24, 64
_WORDS: dict[Event, str] = {
    "request.made": "somebody asks for access",
    "request.answered": "a request was answered",
    "grant.begun": "access was granted",
    "grant.revoked": "access was revoked",
    "grant.reviewed": "a grant was reviewed",
    "grant.ending": "access ends within an hour",
    "glass.broken": "glass was broken: access without approval, to be reviewed",
}


class Notice(msgspec.Struct, frozen=True):
    """One thing that is told. id: the same for the same thing. staff: whose request it is; by: who
    did it, empty for whoever runs the records. Times are as entries write them."""

    id: str
    event: Event
    time: str
    boundary: str
    request: str
    form: str
    staff: str
    by: str
    answer: str
    actions: tuple[str, ...]
    datasets: tuple[str, ...]
    purpose: str
    starts: str
    until: str

    @property
    def body(self) -> bytes:
        """As JSON: ``type``, ``timestamp`` and ``data``."""
        fields = msgspec.to_builtins(self)
        data = {name: fields[name] for name in fields if name not in ("id", "event", "time")}
        told = {"type": self.event, "timestamp": self.time, "data": data}
        return json.dumps(told, separators=(",", ":")).encode()


def notices_of(log: str, index: int, time: str, body: Body, standing: Standing) -> Iterator[Notice]:
    """What an entry that counts, of this index, tells. standing: after it, or later."""
    if getattr(body, "boundary", None) != standing.boundary:
        return
    place = f"{log}\n{index}"
    match body:
        case RequestMade():
            event: Event = "glass.broken" if body.form == "break-glass" else "request.made"
            yield _notice(place, event, time, standing.requests[body.request], body.staff)
        case RequestAnswered(answer=word) | Agreed(what="approved" as word):
            request = standing.requests[body.request]
            yield _notice(place, "request.answered", time, request, body.by, word)
            if request.granted_at == time and request.approved_by[-1:] == [body.by]:
                yield _notice(place, "grant.begun", time, request, body.by)
        case GrantChanged(change=word) | Agreed(what=word):
            request = standing.requests[body.request]
            event = "grant.revoked" if word == "revoked" else "grant.reviewed"
            yield _notice(place, event, time, request, body.by)
        case StaffChanged():
            for member in body.staff:
                for request in standing.of(member.id):
                    if (request.ended, request.ended_at) == ("revoked", time):
                        one = f"{place} {request.id}"
                        yield _notice(one, "grant.revoked", time, request, body.by)
        case _:
            pass


def endings(log: str, standing: Standing, now: str) -> Iterator[Notice]:
    """The live grants that end within an hour."""
    soon = time_text(datetime.fromisoformat(now) + _SOON)
    for request in standing.requests.values():
        if now < request.until <= soon and status(request, now) == "active":
            place = f"{log}\n{request.id} {request.until}"
            yield _notice(place, "grant.ending", now, request, request.made.staff)


def _notice(
    place: str, event: Event, time: str, request: AccessRequest, by: str, answer: str = ""
) -> Notice:
    made = request.made
    name = hashlib.sha256(f"{made.boundary}\n{event}\n{place}".encode()).hexdigest()
    return Notice(
        f"msg_{name[:32]}",
        event,
        time,
        made.boundary,
        request.id,
        made.form,
        made.staff,
        by,
        answer,
        made.actions,
        made.datasets,
        made.purpose,
        made.starts,
        request.until,
    )


def signed_headers(notice: Notice, secret: str, seconds: int) -> dict[str, str]:
    """The headers of a webhook, by the specification of Standard Webhooks: HMAC-SHA256 of id, time
    of sending (seconds since 1970) and body. Raises SiteRefused where the secret is none."""
    stamp = str(seconds)
    signed = b".".join((notice.id.encode(), stamp.encode(), notice.body))
    mac = hmac.new(_key(secret), signed, hashlib.sha256).digest()
    return {
        "content-type": "application/json",
        "webhook-id": notice.id,
        "webhook-timestamp": stamp,
        "webhook-signature": f"v1,{b64encode(mac).decode()}",
    }


def mail_of(notice: Notice, mail: Mail) -> EmailMessage:
    """The notice as a message. Nothing that somebody wrote stands in a header."""
    message = EmailMessage()
    message["From"] = mail.sender
    message["To"] = ", ".join(mail.to)
    message["Subject"] = f"Domicile {notice.boundary}: {_WORDS[notice.event]} ({notice.request})"
    message["Message-ID"] = f"<{notice.id}@{mail.sender.rpartition('@')[2]}>"
    message["Auto-Submitted"] = "auto-generated"
    told = json.loads(notice.body)
    lines = [f"{_WORDS[notice.event]}.", "", f"time: {notice.time}"]
    for name, value in told["data"].items():
        text = value if isinstance(value, str) else ", ".join(value)
        if text:
            lines.append(f"{name}: {text.encode('ascii', 'backslashreplace').decode()}")
    lines += ["", f"See it with `domicile access show {notice.request}`."]
    message.set_content("\n".join(lines) + "\n")
    return message


def _key(secret: str) -> bytes:
    try:
        key = b64decode(secret.removeprefix(_SECRET), validate=True)
    except ValueError:
        key = b""
    if not secret.startswith(_SECRET) or not _LEAST_BYTES <= len(key) <= _MOST_BYTES:
        raise SiteRefused(
            "the webhook's secret is none",
            expected="`whsec_` and 24 to 64 random bytes in base64",
            next_step='make one: echo "whsec_$(openssl rand -base64 32)"',
        )
    return key
