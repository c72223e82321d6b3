"""A proposal as the text of a charter. Pure.

Names come from databases and buckets: in values they are quoted, in comments unprintable
characters are left out, so that nobody's table can write lines of its own.
"""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterator, Mapping

from domicile.scan.proposal.model import Block, Line, Proposal, Value

__all__ = ["DECIDE", "comment", "printable", "quoted_key", "render", "render_block"]

DECIDE = "DECIDE"
_WIDTH = 100
_COLUMN = 41
_BARE = re.compile(r"[A-Za-z0-9_-]+")
# A bare key of these names before a text has the look of a secret (`charter.secrets`).
_SECRET = re.compile(r"(?i)(?:^|[^A-Za-z0-9_])(?:password|passwd|pgpassword|passphrase|pin|secret"
                     r"|token|(?:access_|secret_|api_)key)$")  # fmt: skip
_HEAD = """\
# Written by `domicile init` from what it saw: names, types, keys, and counts over sampled values.
# No sampled value is in here. Every line is yours to change: run `domicile init` again later, and
# it adds what is new and keeps what you wrote. What says DECIDE only a person can know.
# What is not named here is protected. Reference: docs/charter.md.
"""


def render(proposal: Proposal) -> str:
    """The whole charter."""
    parts = [_HEAD]
    for heading, blocks in proposal.sections.items():
        parts.append("\n\n" + "\n".join(_heading(heading, proposal.notes.get(heading, ()))) + "\n")
        parts += [f"\n{render_block(block)}" for block in blocks]
    return "".join(parts)


def render_block(block: Block) -> str:
    """One table with its comments."""
    lines = [*comment(*block.above), f"[{_path(block.path)}]"]
    lines += [text for line in block.lines for text in _line(line)]
    for name, members in (block.groups or {}).items():
        lines.append(f"[{_path((*block.path, name))}]")
        lines += [text for line in members for text in _line(line)]
    return "\n".join(lines) + "\n"


def comment(*texts: str) -> Iterator[str]:
    """Texts as lines of comment."""
    for text in texts:
        yield from textwrap.wrap(
            printable(text),
            _WIDTH,
            initial_indent="# ",
            subsequent_indent="#     " if text.startswith("  ") else "# ",
            break_long_words=False,
            break_on_hyphens=False,
        )


def quoted_key(name: str) -> str:
    """A key as TOML, in quotes where it must be or would look like a secret's."""
    return name if _BARE.fullmatch(name) and not _SECRET.search(name) else _text(name)


def _heading(heading: str, notes: tuple[str, ...]) -> Iterator[str]:
    yield f"# --- {heading} ".ljust(_WIDTH, "-")
    yield from comment(*notes)


def _path(path: tuple[str, ...]) -> str:
    return ".".join(map(quoted_key, path))


def _line(line: Line) -> Iterator[str]:
    text = f"{quoted_key(line.key)} = {_value(line.value)}"
    why = f"{DECIDE}: {line.decide}" if line.is_open else line.why
    if not why:
        yield text
        return
    told = f"{text:<{_COLUMN}} # {printable(why)}"
    if len(told) <= _WIDTH:
        yield told
        return
    yield from comment(why)
    yield text


def _value(value: Value) -> str:
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, Mapping):
        inner = ", ".join(f"{_text(key)} = {_text(text)}" for key, text in value.items())
        return f"{{ {inner} }}" if inner else "{}"
    return f"[{', '.join(map(_text, value))}]"


def _text(text: str) -> str:
    """A basic string of TOML 1.0."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def printable(text: str) -> str:
    """What may stand in a comment: nothing that ends its line, or hides."""
    return "".join(character for character in text if character.isprintable())
