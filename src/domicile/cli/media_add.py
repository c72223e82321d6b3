"""``domicile media add``."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import click

from domicile.cli.media_acts import Act, act_options, state_act
from domicile.cli.session import Options

__all__ = ["add"]


@click.command()
@act_options
@click.option("--place", required=True, help="Where it lies: a place or site of the charter.")
@click.option("--kind", required=True, help="What it is, such as `LTO-8 tape`.")
@click.option("--holder", required=True, help="Who has it: an office or firm, never a person.")
def add(
    serial: str,
    charter: Path,
    as_json: bool,
    attester: str,
    day: datetime,
    evidence: tuple[Path, ...],
    signature: Path | None,
    place: str,
    kind: str,
    holder: str,
) -> int:
    """Register a disk or tape by its SERIAL number.

    Without --signature the text that the attester must sign is printed, and nothing is recorded.
    """
    act = Act("added", serial, attester, day, evidence, to_holder=holder, medium=kind, where=place)
    return state_act(Options(charter, as_json), act, signature)
