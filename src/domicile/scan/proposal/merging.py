"""A proposal put into a charter that is there: what a person wrote stays, to the letter. Pure.

1. A table that the charter has keeps every key that it has; an empty value is filled.
2. A dataset that the charter names is a person's: only categories of columns that it does not
   name, and a way to the person where it has none and needs one, are added.
3. Everything else that is new comes at the end, under a heading with the date.
Whoever wants a column to have no category gives it the category ``system``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date

import tomlkit
from tomlkit.container import OutOfOrderTableProxy
from tomlkit.items import InlineTable, Item, Key, KeyType, SingleKey, Table

from domicile.scan.proposal.model import Block, Line, Proposal
from domicile.scan.proposal.writing import printable, quoted_key, render_block

__all__ = ["Merged", "merge"]

_TABLES = (Table, InlineTable, OutOfOrderTableProxy)
_AnyTable = Table | InlineTable | OutOfOrderTableProxy
_NEVER = {"sites", "records", "ledger", "objects"}


@dataclass(frozen=True, slots=True)
class Merged:
    """The new text and what was added, a line each, by its place in the charter."""

    text: str
    added: tuple[str, ...]


def merge(text: str, proposal: Proposal, today: date) -> Merged:
    """Add to ``text`` (valid TOML) what it lacks of the proposal."""
    document = tomlkit.parse(text)
    added: list[str] = []
    new: list[Block] = []
    for block in proposal.blocks:
        found = _find(document, block)
        if found is None:
            new.append(block)
        else:
            path, table = found
            added += _fill(path, table, block, today)
    whole = tomlkit.dumps(document)
    if new:
        parts = [whole.rstrip("\n"), f"\n\n\n# --- Added by `domicile init` on {today} ---\n"]
        parts += [f"\n{render_block(_named(block, document))}" for block in new]
        whole = "".join(parts)
        added += [f"[{_named(block, document).header}]" for block in new]
    return Merged(whole, tuple(added))


def _find(document: tomlkit.TOMLDocument, block: Block) -> tuple[tuple[str, ...], _AnyTable] | None:
    """The charter's table that is about the same thing."""
    if block.same:
        wanted = next(line.value for line in block.lines if line.key == block.same)
        section = document.get(block.path[0])
        for name, table in section.items() if isinstance(section, Mapping) else ():
            there = table.get(block.same) if isinstance(table, Mapping) else None
            if not (isinstance(table, _TABLES) and isinstance(there, str)):
                continue
            if _same(there, wanted) and _is_meant(block, table):
                return (block.path[0], str(name)), table
        return None
    at: object = document
    for part in block.path:
        at = at.get(part) if isinstance(at, Mapping) else None
    return (block.path, at) if isinstance(at, _TABLES) else None


def _is_meant(block: Block, table: _AnyTable) -> bool:
    """Whether a dataset is of the databases that the block is about."""
    mine = next((line.value for line in block.lines if line.key == "databases"), ())
    there = table.get("databases", ())
    return not mine or (isinstance(there, list) and any(name in mine for name in there))


def _same(one: str, other: object) -> bool:
    return isinstance(other, str) and one.removeprefix("public.") == other.removeprefix("public.")


def _fill(path: tuple[str, ...], table: _AnyTable, block: Block, today: date) -> Iterator[str]:
    where = ".".join(path)
    for line in block.lines:
        if line.key not in table:
            if _may_add(path[0], line, table):
                yield from _set(where, table, line, today)
        elif line.decide and line.value and not table[line.key]:
            item = _item(line)
            item.comment(f"given {today}")
            table[line.key] = item
            yield f"{where}.{line.key}"
    for name, lines in (block.groups or {}).items():
        there = table.get(name)
        if there is None:
            there = tomlkit.table()
            table[name] = there
        if isinstance(there, _TABLES):
            for line in lines:
                if line.key not in there:
                    yield from _set(f"{where}.{name}", there, line, today)


def _may_add(section: str, line: Line, table: _AnyTable) -> bool:
    if section in _NEVER or not line.value:
        return False
    if section != "tables":
        return True
    if {"person", "classification"} & set(table):
        return False
    return line.key == "person" or (line.key, line.value) == ("classification", "public")


def _set(where: str, table: _AnyTable, line: Line, today: date) -> Iterator[str]:
    item = _item(line)
    if isinstance(table, Table):
        why = printable(f": {line.why}") if line.why else ""
        item.comment(f"added {today}{why}")
    if isinstance(table, OutOfOrderTableProxy):  # it stands in several places
        table[line.key] = item
    else:
        table.append(_key(line.key), item)
    yield f"{where}.{line.key}"


def _key(name: str) -> Key:
    quoted = quoted_key(name).startswith('"')
    return SingleKey(name, t=KeyType.Basic if quoted else KeyType.Bare)


def _item(line: Line) -> Item:
    if isinstance(line.value, str):
        return tomlkit.item(line.value)
    if isinstance(line.value, Mapping):
        inline = tomlkit.inline_table()
        inline.update(dict(line.value))
        return inline
    return tomlkit.item(list(line.value))


def _named(block: Block, document: tomlkit.TOMLDocument) -> Block:
    """The block under a name that the charter does not use yet."""
    section = document.get(block.path[0])
    taken = set(section) if isinstance(section, Mapping) else set()
    if len(block.path) != 2 or block.path[1] not in taken:
        return block
    base = block.path[1][:58]
    name = next(n for at in range(2, 10_000) if (n := f"{base}-{at}") not in taken)
    return Block((block.path[0], name), block.lines, block.above, block.same, block.groups)
