"""What the answers to requests share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal

from domicile.cli.desk import at_the_desk
from domicile.cli.session import Options, emit_json
from domicile.policy.entries import GrantChanged, RequestAnswered
from domicile.policy.grants import RequestView

__all__ = ["change", "give"]


def give(
    options: Options,
    token_file: Path | None,
    request: str,
    answer: Literal["asked", "informed", "approved", "denied", "withdrawn"],
    words: str,
) -> None:
    """Record what the holder of the token answers, and say how the request stands."""
    with at_the_desk(options) as counter:
        caller = counter.caller(token_file)
        desk = counter.desk
        digest = desk.keep_words(words) if words else None
        if answer not in ("informed", "withdrawn"):
            desk.require_may_answer(caller, request)
        desk.record(RequestAnswered(desk.boundary, request, caller.staff, answer, digest))
        _tell(options, desk.describe(request), counter.say)


def change(
    options: Options,
    token_file: Path | None,
    request: str,
    what: Literal["revoked", "reviewed"],
    *,
    operator: bool = False,
) -> None:
    """Record that a grant changes, by the holder of the token or whoever runs the records."""
    with at_the_desk(options) as counter:
        desk, by = counter.desk, ""
        if not operator:
            caller = counter.caller(token_file)
            by = caller.staff
            held = desk.standing.requests.get(request)
            if what == "reviewed" or (held is not None and held.made.staff != by):
                desk.require_may_answer(caller, request)
        desk.record(GrantChanged(desk.boundary, request, by, what))
        _tell(options, desk.describe(request), counter.say)


def _tell(options: Options, told: RequestView, say: Callable[[str], None]) -> None:
    if options.as_json:
        emit_json(told)
    else:
        say(f"{told.request}: {told.status}")
