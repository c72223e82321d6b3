"""A proposed charter: blocks of lines, each with its reason. Pure data.

A line whose value is empty is for a person to decide: the charter does not load until they did.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["Block", "Line", "Proposal", "Value"]

Value = str | tuple[str, ...] | Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Line:
    """``key = value  # why``. decide: what a person must put there, where value is empty."""

    key: str
    value: Value
    why: str = ""
    decide: str = ""

    @property
    def is_open(self) -> bool:
        """Whether a person must decide it."""
        return not self.value and bool(self.decide)


@dataclass(frozen=True, slots=True)
class Block:
    """One table of the charter. path: its header; same: the key whose value tells that an existing
    table is about the same thing, where its name need not be the same. above: lines of comment over
    it; groups: tables within it, such as ``categories``, each line with its reason."""

    path: tuple[str, ...]
    lines: tuple[Line, ...]
    above: tuple[str, ...] = ()
    same: str = ""
    groups: Mapping[str, tuple[Line, ...]] | None = None

    @property
    def header(self) -> str:
        """The path, for people to read."""
        return ".".join(self.path)


@dataclass(frozen=True, slots=True)
class Proposal:
    """Everything proposed. sections: what heads each run of blocks, in order; notes: what a person
    should look at, by section."""

    sections: Mapping[str, tuple[Block, ...]]
    notes: Mapping[str, tuple[str, ...]]

    @property
    def blocks(self) -> tuple[Block, ...]:
        """All blocks, in order."""
        return tuple(block for blocks in self.sections.values() for block in blocks)
