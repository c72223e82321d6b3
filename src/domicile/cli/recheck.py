"""``domicile recheck``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click
from rich.markup import escape

from domicile.cli.exits import Exit
from domicile.cli.session import Options, Session, common_options, emit_json
from domicile.erase.drift import origins_told
from domicile.erase.recheck import Recheck, run_recheck, unnamed
from domicile.report.figures import shown
from domicile.scan.entries import DriftFound

__all__ = ["print_alarms", "recheck"]


@click.command()
@common_options
@click.option("--site", "sites", multiple=True, help="A site; may be repeated.  [default: all]")
def recheck(charter: Path, as_json: bool, sites: tuple[str, ...]) -> int:
    """Look again whether what was erased is gone. Reads only.

    Tables are counted, stores are listed, and some erased versions are asked for by id. What is
    there again is told by where it comes from, and is an alarm until a scan finds nothing. Run it
    from a timer: exit code 0 says that all of it is absent, 1 that something was found or could not
    be examined.
    """
    with Session.open(Options(charter, as_json)) as session:
        evidence = session.reading_evidence
        done = run_recheck(session.estate, evidence, session.state, sites)
        away = [] if sites else unnamed(session.estate)
    if as_json:
        emit_json(
            {
                "sites": [{"absent": one.absent, "saw": one.entry} for one in done],
                "alarms": [alarm for one in done for alarm in one.alarms],
                "unnamed": away,
            }
        )
    else:
        _print(session, done, away)
    return Exit.WELL if all(one.absent for one in done) and not away else Exit.REMAINS


def _print(session: Session, done: Sequence[Recheck], away: Sequence[str]) -> None:
    for site in away:
        words = f"{shown(site)}: not examined: it was erased, and the charter names it no more"
        session.out.print(words, style="bold red", markup=False)
    if not done and not away:
        session.out.print("nothing was erased yet: there is nothing to look at again")
    for one in done:
        saw = one.entry
        asked = f"; {saw.asked:,} erased versions asked for by id" if saw.asked else ""
        words = "absent" if one.absent else f"{saw.remaining:,} items of members are there"
        left = f", {saw.unexamined:,} not examined" if saw.unexamined else ""
        style = "bold green" if one.absent else "bold red"
        session.out.print(f"{saw.site}: {words}{left}{asked}", style=style, markup=False)
    print_alarms(session, [alarm for one in done for alarm in one.alarms])


def print_alarms(session: Session, alarms: Sequence[DriftFound]) -> None:
    """Each alarm with what its items are, and what to do about them."""
    for alarm in alarms:
        since = f", certified {alarm.certified}" if alarm.certified else ""
        what = escape(shown(alarm.dataset)) or "no dataset"
        session.out.print(
            f"alarm: {alarm.items:,} items of {what} lie again at {alarm.site}{since}",
            style="bold red",
            soft_wrap=True,
        )
        for line in origins_told(alarm):
            session.out.print(f"  {line}", markup=False, soft_wrap=True)
