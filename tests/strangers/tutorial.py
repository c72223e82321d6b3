"""Reading docs/tutorial.md: what it tells its reader to write, to run and to expect.

A ``toml`` block is added to the end of ``domicile.toml``. In a ``console`` block, a line that
begins with ``$ `` is a command; what follows is what it prints, standard error included.
The test writes the outputs anew
where DOMICILE_WRITE_TUTORIAL is 1.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from tests.strangers.story import ROOT

PAGE = ROOT / "docs" / "tutorial.md"

_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_SITE = re.compile(r"^\[sites\..*?(?=^\[(?!sites\.)|\Z)", re.MULTILINE | re.DOTALL)
# What differs from run to run, and what stands for it when two outputs are compared.
_VARYING = (
    (re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{6}"), "RUN"),
    (re.compile(r"\b[0-9a-f]{12,64}\b"), "DIGEST"),
    (re.compile(r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d)?(\.\d+)?(Z|\+00:00)?"), "TIME"),
    (re.compile(r"\b\d{1,2} [A-Z][a-z]{2,8} \d{4}\b"), "DAY"),
    (re.compile(r"(\S+/)?(?=\.domicile/)"), ""),
    (re.compile(r"[ \t]+$", re.MULTILINE), ""),
)


@dataclass(frozen=True)
class Write:
    """Text to add to the charter."""

    text: str


@dataclass(frozen=True)
class Run:
    """A command, and what the page says it prints. start, end: where in the page that stands."""

    command: str
    output: str
    start: int
    end: int


def steps(page: str) -> Iterator[Write | Run]:
    """What the page's reader does, in order."""
    for block in _BLOCK.finditer(page):
        if block[1] == "toml":
            yield Write(block[2])
        elif block[1] == "console":
            yield from _commands(block[2], block.start(2))


def _commands(text: str, offset: int) -> Iterator[Run]:
    starts = [match.start() for match in re.finditer(r"^\$ ", text, re.MULTILINE)]
    for start, end in zip(starts, [*starts[1:], len(text)], strict=True):
        command, _, output = text[start + 2 : end].partition("\n")
        begin = start + 2 + len(command) + 1
        yield Run(command, output, offset + begin, offset + end)


def charter() -> str:
    """The charter at the end of the page."""
    page = PAGE.read_text(encoding="utf-8")
    return "\n".join(step.text for step in steps(page) if isinstance(step, Write))


def charter_without_sites() -> str:
    """The same, for databases elsewhere."""
    return _SITE.sub("", charter())


def comparable(output: str) -> str:
    """An output without what differs from run to run."""
    for pattern, word in _VARYING:
        output = pattern.sub(word, output)
    return output.strip()
