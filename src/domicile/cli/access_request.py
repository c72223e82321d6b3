"""``domicile access request``."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Literal

import click

from domicile.cli.desk import Counter, at_the_desk, token_option
from domicile.cli.exits import Exit
from domicile.cli.moments import Moment
from domicile.cli.session import Options, common_options, emit_json
from domicile.cli.shred_persons import read_persons
from domicile.errors import UsageError
from domicile.ledger import Pseudonym
from domicile.policy.entries import ACTIONS, Action, Caps

__all__ = ["request"]


@click.command()
@common_options
@token_option
@click.option("--dataset", "datasets", multiple=True, required=True, help="May be repeated.")
@click.option(
    "--action",
    "actions",
    type=click.Choice(ACTIONS),
    multiple=True,
    default=("read",),
    show_default=True,
    help="May be repeated.",
)
@click.option("--purpose", required=True, help="What for: moderation, engineering, legal, ...")
@click.option("--ticket", default="", help="For this ticket alone.")
@click.option("--reason", default="", help="Why, for whoever answers. Names no person.")
@click.option(
    "--hours", type=click.IntRange(1, 366 * 24), default=8, show_default=True, help="How long."
)
@click.option("--starts", type=Moment(ends=False), help="From when on.  [default: now]")
@click.option("--items", type=click.IntRange(1), help="At most so many objects or rows.")
@click.option("--bytes", "size_bytes", type=click.IntRange(1), help="At most so many bytes.")
@click.option("--person-from", metavar="FILE", help="About the one person in this file alone.")
@click.option("--extends", help="Ask for a grant of yours to last longer.")
@click.option("--standing", is_flag=True, help="For as long as it is reviewed in time.")
@click.option("--break-glass", is_flag=True, help="At once, without approval; it is reviewed.")
def request(
    charter: Path,
    as_json: bool,
    token_file: Path | None,
    datasets: tuple[str, ...],
    actions: tuple[Action, ...],
    purpose: str,
    ticket: str,
    reason: str,
    hours: int,
    starts: str | None,
    items: int | None,
    size_bytes: int | None,
    person_from: str | None,
    extends: str | None,
    standing: bool,
    break_glass: bool,
) -> int:
    """Ask for access, as the holder of the token. Where a live grant covers it already, that one is
    named, and nothing is asked."""
    from domicile.policy.requests import Asking, make_request

    if standing and break_glass:
        raise UsageError(
            "a request is standing or breaks glass, not both",
            expected="one of the two",
            next_step="leave one out",
        )
    form: Literal["ordinary", "standing", "break-glass"] = "ordinary"
    if standing or break_glass:
        form = "standing" if standing else "break-glass"
    with at_the_desk(Options(charter, as_json)) as counter:
        caller = counter.caller(token_file)
        held, is_new = make_request(
            counter.desk,
            Asking(
                caller.staff,
                form,
                actions,
                datasets,
                purpose,
                ticket,
                reason,
                starts,
                timedelta(hours=hours),
                Caps(items, size_bytes),
                _person(counter, person_from),
                extends,
            ),
        )
        if as_json:
            emit_json({"request": held.id, "new": is_new, "granted": bool(held.granted_at)})
        elif is_new and not held.granted_at:
            rules = counter.desk.standing.rules
            needed = rules.approvals if rules else 0
            counter.say(f"{held.id}: asked; {needed} approvers of the custodian must agree")
        else:
            word = "granted" if is_new else "a live grant covers it already"
            counter.say(f"{held.id}: {word}, until {held.until}")
    return Exit.WELL


def _person(counter: Counter, source: str | None) -> Pseudonym | None:
    """The pseudonym of the one person in a file."""
    if source is None:
        return None
    from domicile.custody.pseudonyms import Pseudonyms

    persons = list(read_persons(counter.session, source))
    if len(persons) != 1:
        raise UsageError(
            f"{len(persons)} persons are named", expected="one", next_step="ask for one at a time"
        )
    return Pseudonyms(counter.state).of(persons)[persons[0]]
