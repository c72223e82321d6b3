"""``domicile media handover``."""

from __future__ import annotations

import click

from domicile.cli.media_acts import Act, Told, act_options, state_act

__all__ = ["handover"]


@click.command()
@act_options
@click.option("--from", "giver", required=True, help="Who had it, as the last act says.")
@click.option("--to", "taker", required=True, help="Who has it now.")
@click.option(
    "--place",
    default="",
    help="Where it lies from now on: a place or site of the charter.  [default: nobody says, and it"
    " is not at home]",
)
def handover(told: Told, giver: str, taker: str, place: str) -> int:
    """Record that the medium of this SERIAL number changed hands.

    Without --signature the text that the attester must sign is printed, and nothing is recorded.
    """
    act = Act("handed-over", from_holder=giver, to_holder=taker, where=place)
    return state_act(told, act)
