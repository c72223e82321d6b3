"""The command line: one file per command, errors mapped to exit codes in one place."""

from domicile.cli.main import main

__all__ = ["main"]
