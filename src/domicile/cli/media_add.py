"""``domicile media add``."""

from __future__ import annotations

import click

from domicile.cli.media_acts import Act, Told, act_options, state_act

__all__ = ["add"]


@click.command()
@act_options
@click.option("--place", required=True, help="Where it lies: a place or site of the charter.")
@click.option("--kind", required=True, help="What it is, such as `LTO-8 tape`.")
@click.option("--holder", required=True, help="Who has it: an office or firm, never a person.")
def add(told: Told, place: str, kind: str, holder: str) -> int:
    """Register a disk or tape by its SERIAL number.

    Without --signature the text that the attester must sign is printed, and nothing is recorded.
    """
    act = Act("added", to_holder=holder, medium=kind, where=place)
    return state_act(told, act)
