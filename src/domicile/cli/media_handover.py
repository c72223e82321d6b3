"""``domicile media handover``."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import click

from domicile.cli.media_acts import Act, act_options, state_act
from domicile.cli.session import Options

__all__ = ["handover"]


@click.command()
@act_options
@click.option("--from", "giver", required=True, help="Who had it, as the last act says.")
@click.option("--to", "taker", required=True, help="Who has it now.")
def handover(
    serial: str,
    charter: Path,
    as_json: bool,
    attester: str,
    day: datetime,
    evidence: tuple[Path, ...],
    signature: Path | None,
    giver: str,
    taker: str,
) -> int:
    """Record that the medium of this SERIAL number changed hands.

    Without --signature the text that the attester must sign is printed, and nothing is recorded.
    """
    act = Act("handed-over", serial, attester, day, evidence, from_holder=giver, to_holder=taker)
    return state_act(Options(charter, as_json), act, signature)
