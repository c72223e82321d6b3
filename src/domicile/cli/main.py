"""The entry point: commands, and the one place where errors become messages and exit codes."""

from __future__ import annotations

import errno
import sqlite3
import sys
from typing import NoReturn

import click
from rich.console import Console

import domicile
from domicile.cli.demo import demo
from domicile.cli.erase import erase
from domicile.cli.exits import EXIT_CODES_HELP, Exit
from domicile.cli.ledger import ledger
from domicile.cli.move import move
from domicile.cli.plan import plan
from domicile.cli.report import report
from domicile.cli.scan import scan
from domicile.cli.status import status
from domicile.cli.verify import verify
from domicile.errors import DomicileError, SiteRefused

__all__ = ["cli", "main"]

_REFUSALS = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM}


@click.group(epilog=EXIT_CODES_HELP, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(domicile.__version__, prog_name="domicile")
def cli() -> None:
    """Find whose data lies where, bring it home, prove it, and leave nothing behind."""


for _command in (scan, plan, move, verify, erase, status, report, ledger, demo):
    cli.add_command(_command)


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
