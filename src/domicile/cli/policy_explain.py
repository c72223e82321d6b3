"""``domicile policy explain``."""

from __future__ import annotations

from pathlib import Path

import click

from domicile.cli.desk import at_the_desk
from domicile.cli.exits import Exit
from domicile.cli.policy_texts import read_policy
from domicile.cli.session import Options, common_options, emit_json
from domicile.policy.entries import ACTIONS, Action

__all__ = ["explain"]


@click.command()
@common_options
@click.option("--staff", required=True, help="Who would ask.")
@click.option(
    "--action",
    type=click.Choice(ACTIONS),
    default="read",
    show_default=True,
    help="What they would do.",
)
@click.option("--dataset", required=True, help="With which dataset.")
@click.option("--purpose", required=True, help="What for.")
@click.option("--ticket", default="", help="For which ticket.")
@click.option("--country", default="", help="Connecting from this country.  [default: unknown]")
@click.option("--second-factor", is_flag=True, help="Logged in with a second factor.")
@click.option("--person", is_flag=True, help="About a single person.")
@click.option(
    "--policy",
    "text",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Ask this text.  [default: the policy in force]",
)
def explain(
    charter: Path,
    as_json: bool,
    staff: str,
    action: Action,
    dataset: str,
    purpose: str,
    ticket: str,
    country: str,
    second_factor: bool,
    person: bool,
    text: Path | None,
) -> int:
    """Say what would be decided now, by which policies, on which facts, and what to do next.
    Nothing is recorded, and nobody's access begins."""
    from domicile.policy.decisions import Engine
    from domicile.policy.grants import Wanted
    from domicile.policy.questions import Caller

    with at_the_desk(Options(charter, as_json), acts=False) as counter:
        engine = Engine(read_policy(text)) if text is not None else None
        caller = Caller(staff, country, second_factor)
        wanted = Wanted(action, dataset, purpose, ticket, person)
        decision, opened = counter.desk.decide(caller, wanted, engine)
        if as_json:
            emit_json({"decision": decision, "asked": opened.asked, "caps": opened.caps})
        else:
            counter.say(decision.sentence, "green" if decision.allowed else "red")
            for fact, value in decision.facts.items():
                counter.say(f"  {fact}: {value or 'none'}")
    return Exit.WELL if decision.allowed else Exit.REMAINS
