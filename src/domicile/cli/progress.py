"""Progress bars: items, bytes and time left. Shown on terminals only."""

from __future__ import annotations

from typing import Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    ProgressColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as RichProgress
from rich.text import Text

__all__ = ["BarProgress"]


class _Amount(ProgressColumn):
    """Bytes where the stage counts them, shards or sites otherwise."""

    def __init__(self) -> None:
        super().__init__()
        self._bytes = DownloadColumn(binary_units=True)
        self._items = MofNCompleteColumn()

    def render(self, task: Task) -> Text:
        """What was done of what."""
        if task.fields.get("in_bytes"):
            return self._bytes.render(task)
        return self._items.render(task)


class BarProgress:
    """Bars on standard error, one a stage."""

    def __init__(self, console: Console) -> None:
        self._bars = RichProgress(
            TextColumn("{task.description:<28}", markup=False),
            BarColumn(),
            _Amount(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=console,
        )
        self._task: Task | None = None
        self._bytes = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._bars.stop()

    def stage(self, title: str, *, items: int, size_bytes: int = 0) -> None:
        """Begin a bar. The first one starts the display: before it a person can be asked."""
        self._bars.start()
        self._bytes = size_bytes
        number = self._bars.add_task(title, total=size_bytes or items, in_bytes=bool(size_bytes))
        self._task = next(task for task in self._bars.tasks if task.id == number)

    def advance(self, items: int = 1, size_bytes: int = 0) -> None:
        """Move the bar on."""
        if self._task is not None:
            self._bars.advance(self._task.id, size_bytes if self._bytes else items)

    def note(self, message: str) -> None:
        """Print above the bars."""
        self._bars.console.print(message, markup=False)
