"""The entry point: commands, and the one place where errors become messages and exit codes."""

from __future__ import annotations

import errno
import sqlite3
import sys
from typing import NoReturn

import click
from rich.console import Console

import domicile
from domicile.cli.commands import Commands
from domicile.cli.exits import EXIT_CODES_HELP, Exit
from domicile.errors import DomicileError, SiteRefused

__all__ = ["COMMANDS", "cli", "main"]

_REFUSALS = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM}


COMMANDS = {
    "init": "Look at databases and stores, and write a charter to begin with.",
    "scan": "Find whose data lies where. Reads only.",
    "plan": "Show what would move and be erased, and write it down.",
    "move": "Bring home what the plan says.",
    "verify": "Read back both sides and compare.",
    "erase": "Erase away from home what is proven at home.",
    "recheck": "Look again whether what was erased is gone. Reads only.",
    "attest": "Record a signed statement about what could not be examined.",
    "media": "The register of disks and tapes that no program reaches.",
    "shred": "Erase persons at home by destroying their keys.",
    "status": "Say where the members' data lies, from the records alone.",
    "report": "Write one HTML file that shows all of it, offline.",
    "open": "Write home's objects out as plain files.",
    "audit": "Read again, as an outsider, what nobody could choose.",
    "staff": "Who may ask for access.",
    "policy": "Who may what, and why.",
    "access": "Ask for access, answer, use it, end it.",
    "serve": "Serve requests, grants and decisions over HTTP.",
    "custody": "The root of the custodian's keys, and what custodians sign.",
    "ledger": "What happened, provably.",
    "demo": "Tell the whole story on a generated network.",
}
"""Each command lies in the module of its name, in this package, under that name."""


@click.group(
    cls=Commands,
    package="domicile.cli.",
    about=COMMANDS,
    epilog=EXIT_CODES_HELP,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(domicile.__version__, prog_name="domicile")
def cli() -> None:
    """Find whose data lies where, bring it home, prove it, and leave nothing behind."""


def main() -> NoReturn:
    """Run the command line and exit."""
    try:
        code = cli.main(standalone_mode=False)
    except DomicileError as error:
        _complain(error)
        sys.exit(error.exit_code)
    except (sqlite3.Error, OSError) as error:
        if isinstance(error, OSError) and error.errno not in _REFUSALS:
            raise
        _complain(_refused_here(error))
        sys.exit(Exit.SITE)
    except click.ClickException as error:
        error.show()
        sys.exit(Exit.OPERATOR)
    except (click.Abort, KeyboardInterrupt):
        Console(stderr=True).print("stopped; run the same command again to go on", style="yellow")
        sys.exit(130)
    sys.exit(code if isinstance(code, int) else Exit.WELL)


def _refused_here(error: sqlite3.Error | OSError) -> SiteRefused:
    """What this machine's disk refused where no part of the work said it in its own words."""
    return SiteRefused(
        f"the records directory refused a file ({error})",
        expected="room and permission there",
        next_step="make room, then run the same command again: it resumes",
    )


def _complain(error: DomicileError) -> None:
    console = Console(stderr=True, highlight=False)
    console.print(f"error: {error.failed}", style="bold red", markup=False)
    if error.expected:
        console.print(f"  expected: {error.expected}", markup=False)
    if error.next_step:
        console.print(f"  next: {error.next_step}", markup=False)
