"""``domicile access show``."""

from __future__ import annotations

from pathlib import Path

import click

from domicile.cli.desk import at_the_desk
from domicile.cli.exits import Exit
from domicile.cli.session import Options, common_options, emit_json

__all__ = ["show"]


@click.command()
@click.argument("request")
@common_options
def show(request: str, charter: Path, as_json: bool) -> int:
    """Show REQUEST: what is asked, by whom, why, who agreed, and what was used of it."""
    with at_the_desk(Options(charter, as_json), acts=False) as counter:
        told = counter.desk.describe(request)
        if as_json:
            emit_json(told)
        else:
            for name in told.__struct_fields__:
                counter.say(f"{name.replace('_', ' ')}: {_words(getattr(told, name))}")
    return Exit.WELL


def _words(value: object) -> str:
    from domicile.policy.entries import Caps

    match value:
        case Caps(items=None, size_bytes=None):
            return "no cap"
        case Caps():
            parts = ((value.items, "items"), (value.size_bytes, "bytes"))
            return ", ".join(f"{most:,} {what}" for most, what in parts if most is not None)
        case bool():
            return "yes" if value else "no"
        case tuple():
            return ", ".join(value)
        case _:
            return str(value)
