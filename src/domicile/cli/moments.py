"""Days and times on the command line."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import click

from domicile.ledger.entries import time_text

__all__ = ["Moment"]

_DAY = re.compile(r"\d{4}-\d\d-\d\d\Z")


class Moment(click.ParamType[str]):
    """A day or a time in UTC, as entries spell times; at its end where ``ends``."""

    name = "time"

    def __init__(self, *, ends: bool) -> None:
        self._ends = ends

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> str:
        """Read it."""
        text = str(value)
        try:
            moment = datetime.fromisoformat(text)
            if moment.tzinfo is None:
                moment = moment.replace(tzinfo=UTC)
            if self._ends and _DAY.match(text):
                moment += timedelta(days=1)
            return time_text(moment.astimezone(UTC))
        except (ValueError, OverflowError):
            self.fail(f"{text!r} is no day (2026-03-31) or time (2026-03-31T12:00:00Z)", param, ctx)
