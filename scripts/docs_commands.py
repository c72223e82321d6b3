"""docs/commands.md, from the command line's own help."""

from __future__ import annotations

from collections.abc import Iterator

import click

from domicile.cli.exits import EXIT_CODES_HELP
from domicile.cli.main import cli

__all__ = ["commands_page"]

INTRODUCTION = f"""\
# The commands

In the order of the story: `scan`, `plan`, `move`, `verify`, `erase`; `shred` where persons are to
be erased at home; `attest`, `status`, `report`, `open`, `ledger verify` and `ledger publish` at any
time. Messages and progress go to standard error, results to standard output; with `--json`, one
JSON document. Off a terminal nothing moves on the screen.

{EXIT_CODES_HELP}

Every command that was stopped, by a fault or by Ctrl-C, goes on where it was when it is run again.

This page is made from the code: `make docs`.
"""


def commands_page() -> str:
    """The page, a section per command."""
    return INTRODUCTION + "".join(_sections("domicile", cli))


def _sections(name: str, group: click.Group) -> Iterator[str]:
    context = click.Context(group, info_name=name)
    for word in group.list_commands(context):
        command = group.get_command(context, word)
        if isinstance(command, click.Group):
            yield from _sections(f"{name} {word}", command)
        elif command is not None:
            yield _section(f"{name} {word}", command)


def _section(name: str, command: click.Command) -> str:
    context = click.Context(command, info_name=name, terminal_width=100, max_content_width=100)
    about = " ".join((command.help or "").split())
    rows = "".join(_row(context, option) for option in command.params if not _is_word(option))
    words = [f" {each.make_metavar(context)}" for each in command.params if _is_word(each)]
    name += "".join(words)
    return f"\n## `{name}`\n\n{about}\n\n| option | meaning |\n| --- | --- |\n{rows}"


def _is_word(param: click.Parameter) -> bool:
    return isinstance(param, click.Argument)


def _row(context: click.Context, option: click.Parameter) -> str:
    record = option.get_help_record(context)
    if record is None:
        return ""
    cells = (f"`{record[0]}`", " ".join(record[1].split()))
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"
