"""``domicile shred status``."""

from __future__ import annotations

from pathlib import Path

import click
import msgspec

from domicile.cli.exits import Exit
from domicile.cli.session import Options, Session, common_options, emit_json
from domicile.custody.condemned import Condemned, CondemnedKeys
from domicile.custody.shreds import Shred, Shreds
from domicile.custody.waiting import look_now

__all__ = ["status"]


@click.command()
@common_options
def status(charter: Path, as_json: bool) -> int:
    """Say how far every request is, from the state database alone. Looking counts the time that a
    request has waited."""
    with Session.open(Options(charter, as_json)) as session:
        state, name = session.state, session.estate.boundary_name
        shreds = Shreds(state, name)
        shreds.look(look_now())
        found, waiting = shreds.all(), tuple(CondemnedKeys(state, name).all().values())
        left = {shred.id: shreds.survivors(shred.keys_below or 0) for shred in found}
    if as_json:
        emit_json(
            {
                "requests": [_plain(shred, left[shred.id]) for shred in found],
                "keys_waiting": [msgspec.to_builtins(each._asdict()) for each in waiting],
            }
        )
    else:
        for shred in found:
            line = f"{shred.id}: {shred.persons:,} persons, {_words(shred, left[shred.id])}"
            session.out.print(line, markup=False, soft_wrap=True)
        for each in waiting:
            session.out.print(_waits(each), markup=False, soft_wrap=True)
    under_way = any(shred.phase in {"requested", "condemned"} for shred in found)
    return Exit.REMAINS if under_way else Exit.WELL


def _plain(shred: Shred, left: int) -> dict[str, object]:
    return {
        "request": shred.id,
        "phase": shred.phase,
        "persons": shred.persons,
        "requested_at": shred.requested_at,
        "waits_s": shred.waits_s,
        "waited_s": shred.waited_s,
        "due": shred.is_due,
        "survivors_to_rewrap": left,
        "certificate": shred.certificate,
    }


def _words(shred: Shred, left: int) -> str:
    match shred.phase:
        case "requested" if shred.is_due:
            return "has waited long enough: `domicile shred run` destroys their keys"
        case "requested":
            hours = -(-(shred.waits_s - shred.waited_s) // 3600)
            return f"requested {shred.requested_at}, waits {hours:,} more hours; can be cancelled"
        case "condemned":
            keys = f"{left:,} keys of others to bring under a new one; " if left else ""
            return f"begun: {keys}`domicile shred run` goes on"
        case "done":
            return f"done, certificate {shred.certificate}"
        case _:
            return shred.phase


def _waits(key: Condemned) -> str:
    until = key.pending_until or "it is asked"
    return f"version {key.version} of the boundary's key waits with {key.root} until {until}"
