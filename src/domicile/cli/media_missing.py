"""``domicile media missing``."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import click

from domicile.cli.media_acts import Act, act_options, state_act
from domicile.cli.session import Options

__all__ = ["missing"]


@click.command()
@act_options
@click.option("--from", "giver", required=True, help="Who should have it, as the last act says.")
def missing(
    serial: str,
    charter: Path,
    as_json: bool,
    attester: str,
    day: datetime,
    evidence: tuple[Path, ...],
    signature: Path | None,
    giver: str,
) -> int:
    """Record that the medium of this SERIAL number is not where it should be.

    Without --signature the text that the attester must sign is printed, and nothing is recorded.
    """
    act = Act("missing", serial, attester, day, evidence, from_holder=giver, to_holder=giver)
    return state_act(Options(charter, as_json), act, signature)
