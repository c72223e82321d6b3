"""What the answers to requests share."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import click

from domicile.cli.custody_notes import read_signable, write_note
from domicile.cli.desk import at_the_desk
from domicile.cli.session import F, Options, emit_json
from domicile.errors import UsageError
from domicile.ledger import FileSigner
from domicile.ledger.signing import sign_note
from domicile.policy.agreements import Agreement, agreement_note
from domicile.policy.entries import GrantChanged, RequestAnswered
from domicile.policy.grants import RequestView

__all__ = ["about", "agree", "give", "revoke", "signing_options", "write_agreement"]


def signing_options(function: F) -> F:
    """``--key`` and ``--signed`` of who agrees."""
    function = click.option(
        "--signed",
        type=click.Path(path_type=Path, dir_okay=False),
        help="What was signed elsewhere, of `access agreement`, by `access sign`.",
    )(function)
    return click.option(
        "--key",
        type=click.Path(path_type=Path, dir_okay=False),
        help="The approver's key, made by `custody keygen`, to sign with here.",
    )(function)


def agree(
    options: Options,
    token_file: Path | None,
    request: str,
    what: Literal["approved", "reviewed"],
    key: Path | None,
    signed: Path | None,
) -> None:
    """Record that the holder of the token agrees, under their key, and say how the request stands.
    Raises UsageError, AccessForbidden."""
    if (key is None) == (signed is None):
        raise UsageError(
            "who agrees signs it",
            expected="either --key, or --signed",
            next_step="name the approver's key, or what it signed of `domicile access agreement`",
        )
    signer = FileSigner.load(key) if key is not None else None
    note = read_signable(signed) if signed is not None else None
    with at_the_desk(options) as counter:
        caller, desk = counter.caller(token_file), counter.desk
        agreement = desk.agreement(caller, request)
        if agreement.what != what:
            is_now = "a request that is not granted" if what == "reviewed" else "a grant already"
            word = "approve" if what == "reviewed" else "review"
            raise UsageError(
                f"{request} is {is_now}",
                expected="a grant" if what == "reviewed" else "a request that is open",
                next_step=f"domicile access show {request}; or did you mean: access {word}?",
            )
        if note is None:
            assert signer is not None  # noqa: S101 - one of the two was named
            for line in about(agreement):
                counter.session.err.print(line, markup=False, soft_wrap=True, highlight=False)
            note = sign_note(agreement_note(agreement).text, [signer], int(time.time()))
        desk.agree(caller, request, note)
        _tell(options, desk.describe(request), counter.say)


def write_agreement(options: Options, token_file: Path | None, request: str, out: Path) -> None:
    """Write what the holder of the token would sign of a request, as a note."""
    with at_the_desk(options) as counter:
        caller = counter.caller(token_file)
        agreement = counter.desk.agreement(caller, request)
        write_note(out, agreement_note(agreement))
        if options.as_json:
            emit_json({"what": agreement.what, "note": str(out)})
        else:
            counter.say(f"{out}: to be signed by {agreement.by} ({agreement.what})")


def about(agreement: Agreement) -> list[str]:
    """What is agreed to, a line each, as whoever signs it must read it: nothing in it can disguise
    itself on a terminal."""
    made, caps = agreement.request, agreement.request.caps
    most = [(caps.items, "items"), (caps.size_bytes, "bytes")]
    capped = ", ".join(f"{count:,} {word}" for count, word in most if count is not None)
    lines = [
        f"{agreement.by} agrees: {agreement.what}",
        f"ledger: {agreement.log}",
        f"boundary: {made.boundary}",
        f"request: {made.request}, {made.form}, of {made.staff}",
        f"to: {', '.join(made.actions)} {', '.join(made.datasets)}",
        f"purpose: {made.purpose}",
        f"ticket: {made.ticket or 'any'}",
        f"about: {made.person or 'nobody in particular'}",
        f"from {made.starts} to {agreement.until}",
        f"at most: {capped or 'no cap'}",
        f"extends: {made.extends or 'nothing'}",
        f"reason (SHA-256): {made.reason_sha256}",
    ]
    return [line.encode("unicode_escape").decode() for line in lines]


def give(
    options: Options,
    token_file: Path | None,
    request: str,
    answer: Literal["asked", "informed", "denied", "withdrawn"],
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


def revoke(options: Options, token_file: Path | None, request: str, *, operator: bool) -> None:
    """Record that a grant ends, by the holder of the token or whoever runs the records."""
    with at_the_desk(options) as counter:
        desk, by = counter.desk, ""
        if not operator:
            caller = counter.caller(token_file)
            by = caller.staff
            held = desk.standing.requests.get(request)
            if held is not None and held.made.staff != by:
                desk.require_may_answer(caller, request)
        desk.record(GrantChanged(desk.boundary, request, by, "revoked"))
        _tell(options, desk.describe(request), counter.say)


def _tell(options: Options, told: RequestView, say: Callable[[str], None]) -> None:
    if options.as_json:
        emit_json(told)
    else:
        say(f"{told.request}: {told.status}")
