"""``domicile staff revoke``."""

from __future__ import annotations

from pathlib import Path

import click

from domicile.cli.desk import at_the_desk
from domicile.cli.exits import Exit
from domicile.cli.session import Options, common_options, emit_json

__all__ = ["revoke"]


@click.command()
@click.argument("credential")
@common_options
def revoke(credential: str, charter: Path, as_json: bool) -> int:
    """End CREDENTIAL at once, by its name (`c-...`)."""
    from domicile.policy.credentials import end_credential

    with at_the_desk(Options(charter, as_json)) as counter:
        end_credential(counter.desk, credential, by="")
        if as_json:
            emit_json({"credential": credential, "ended": True})
        else:
            counter.say(f"{credential} is good for nothing any more")
    return Exit.WELL
