"""Object path templates: which keys they fit, and whose object a key is.

The rules, in full:

1. ``{name}`` stands for one or more characters other than ``/``.
2. ``{name...}`` stands for one or more characters, ``/`` among them; at most one per template.
3. Every other character stands for itself; ``{{`` and ``}}`` stand for a brace.
4. Between two placeholders there is text, so that a key can be read.
5. Where a key can be read in several ways, each placeholder takes as little as it can, from the
   left; those after a ``{name...}`` take as little as they can from the right.

Keys are hostile. There is no regular expression and no backtracking here: rule 5 is decided by one
search per placeholder, so a match costs time linear in the key.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from domicile.errors import CharterError

__all__ = ["Template"]

_PLACEHOLDER = re.compile(r"\{([a-z_][a-z0-9_]*)(\.\.\.)?\}")
_SYNTAX = "`{name}` or `{name...}` with text between them, `{{` for a brace"


@dataclass(frozen=True, slots=True)
class Template:
    """A parsed template. ``literals`` has one entry more than ``names`` and surrounds them;
    ``spanning`` is the index of the name that may hold slashes, or None."""

    text: str
    literals: tuple[str, ...]
    names: tuple[str, ...]
    spanning: int | None

    @classmethod
    def parse(cls, text: str) -> Template:
        """Read a template. Raises CharterError that says what is wrong with it."""
        literals, names, spans = _tokens(text)
        _check(text, literals, names, spans)
        return cls(text, tuple(literals), tuple(names), spans[0] if spans else None)

    @property
    def has_person(self) -> bool:
        """Whether a key says whose it is."""
        return "person" in self.names

    @property
    def prefix(self) -> str:
        """What every fitting key begins with: a listing can start there."""
        return self.literals[0]

    def match(self, key: str) -> dict[str, str] | None:
        """What each placeholder stands for in ``key``, or None where the key does not fit."""
        if not self.names:
            return {} if key == self.literals[0] else None
        values = self._read_whole(key) if self.spanning is None else self._read_spanning(key)
        return None if values is None else dict(zip(self.names, values, strict=True))

    def _read_whole(self, key: str) -> list[str] | None:
        head = _read(key, self.literals[:-1])
        if head is None or not key.endswith(self.literals[-1]):
            return None
        values, start = head
        last = key[start : len(key) - len(self.literals[-1])]
        return [*values, last] if last and "/" not in last else None

    def _read_spanning(self, key: str) -> list[str] | None:
        cut = (self.spanning or 0) + 1
        head = _read(key, self.literals[:cut])
        tail = _read(key[::-1], [literal[::-1] for literal in self.literals[: cut - 1 : -1]])
        if head is None or tail is None:
            return None
        middle = key[head[1] : len(key) - tail[1]]
        if not middle or head[1] + tail[1] >= len(key):
            return None
        return [*head[0], middle, *(value[::-1] for value in reversed(tail[0]))]


def _read(text: str, literals: Sequence[str]) -> tuple[list[str], int] | None:
    """Read ``literals`` with a slashless value between each two, from the start of ``text``.

    Gives the values and where the last literal ends. The leftmost place of each literal leaves the
    most room for the rest and never crosses a slash that another choice could avoid, so what fails
    here fits in no other way.
    """
    if not text.startswith(literals[0]):
        return None
    values: list[str] = []
    at = len(literals[0])
    for literal in literals[1:]:
        found = text.find(literal, at + 1)
        if found < 0 or "/" in text[at:found]:
            return None
        values.append(text[at:found])
        at = found + len(literal)
    return values, at


def _tokens(text: str) -> tuple[list[str], list[str], list[int]]:
    literals: list[str] = [""]
    names: list[str] = []
    spans: list[int] = []
    at = 0
    while at < len(text):
        placeholder = _PLACEHOLDER.match(text, at)
        if text[at : at + 2] in ("{{", "}}"):
            literals[-1] += text[at]
            at += 2
        elif placeholder:
            if placeholder[2]:
                spans.append(len(names))
            names.append(placeholder[1])
            literals.append("")
            at = placeholder.end()
        elif text[at] in "{}":
            raise _wrong(text, f"has a stray brace at character {at + 1}")
        else:
            literals[-1] += text[at]
            at += 1
    return literals, names, spans


def _check(text: str, literals: list[str], names: list[str], spans: list[int]) -> None:
    if not text:
        raise _wrong(text, "is empty")
    if "" in literals[1:-1]:
        raise _wrong(text, "has two placeholders with nothing between them")
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise _wrong(text, f"names {{{twice}}} twice")
    if len(spans) > 1:
        raise _wrong(text, "has more than one `{name...}`")
    if spans and names[spans[0]] == "person":
        raise _wrong(text, "lets {person...} span segments, so a key would not say whose it is")


def _wrong(text: str, what: str) -> CharterError:
    return CharterError(
        f"template {text[:200]!r} {what}", expected=_SYNTAX, next_step="correct the template"
    )
