"""``domicile media``: a command each in ``media_<command>.py``."""

from __future__ import annotations

import click

from domicile.cli.commands import Commands

__all__ = ["MEDIA_COMMANDS", "media"]

MEDIA_COMMANDS = {
    "add": "Register a disk or tape by its serial number.",
    "handover": "Record that it changed hands.",
    "missing": "Record that it is not where it should be.",
    "destroy": "Record that it was destroyed, how and by whom.",
    "list": "Show the register.",
}


@click.group(cls=Commands, package="domicile.cli.media_", about=MEDIA_COMMANDS)
def media() -> None:
    """Keep the register of disks and tapes that no program reaches. Each act is signed by an
    attester of the charter; what stands here is attested, never examined."""
