"""Groups of commands that are imported when they are called for: help is quick, and a worker
imports none."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any, cast

import click

__all__ = ["Commands"]


class Commands(click.Group):
    """A group whose commands lie in modules of their own: command ``x`` is ``x`` in the module
    ``package + x``. about: what each of them does, in the order of the help."""

    def __init__(
        self,
        *args: Any,  # noqa: ANN401 - click's own, handed on
        package: str = "",
        about: Mapping[str, str] | None = None,
        **more: Any,  # noqa: ANN401 - see args
    ) -> None:
        super().__init__(*args, **more)
        self._package, self._about = package, dict(about or {})

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """The commands' names."""
        return list(self._about)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import a command."""
        if cmd_name not in self._about:
            return None
        module = importlib.import_module(f"{self._package}{cmd_name}")
        return cast("click.Command", getattr(module, cmd_name))

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """The help's list, without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(self._about.items()))
