"""Which line of a TOML text each key stands on.

``tomllib`` gives values without positions. This scanner walks a text that ``tomllib`` has already
accepted and notes the line of every table header, key and array element; it never judges syntax.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType

__all__ = ["KeyPath", "line_of", "scan_lines"]

KeyPath = tuple[str | int, ...]

_ESCAPES = {"b": "\b", "t": "\t", "n": "\n", "f": "\f", "r": "\r", "e": "\x1b"}
_HEX_DIGITS = {"x": 2, "u": 4, "U": 8}
_BARE_END = frozenset(" \t\n=.]#,}")
_VALUE_END = frozenset("\n#,]}")


def scan_lines(text: str) -> Mapping[KeyPath, int]:
    """Map each key path to the line (from 1) where it first appears.

    ``text`` must be valid TOML. Raises RecursionError where values nest as deep as ``tomllib``
    itself would refuse.
    """
    scanner = _Scanner(text.replace("\r\n", "\n"))
    scanner.run()
    return MappingProxyType(scanner.lines)


def line_of(lines: Mapping[KeyPath, int], path: KeyPath) -> int:
    """The line of ``path``, or of the nearest enclosing key that is written down (else 1)."""
    for end in range(len(path), 0, -1):
        if path[:end] in lines:
            return lines[path[:end]]
    return 1


class _Scanner:
    """A cursor over the text. ``line`` is always the line of ``at``."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.line = 1
        self.lines: dict[KeyPath, int] = {}
        self._arrays: dict[KeyPath, int] = {}  # arrays of tables: index of their last element

    def run(self) -> None:
        table: KeyPath = ()
        while self._skip_blank():
            if self._peek() == "[":
                table = self._header()
            else:
                self._pair(table)

    def _peek(self, length: int = 1) -> str:
        return self.text[self.at : self.at + length]

    def _step(self, count: int = 1) -> None:
        self.line += self.text.count("\n", self.at, self.at + count)
        self.at += count

    def _skip_blank(self) -> bool:
        """Pass blanks, newlines and comments; False at the end of the text."""
        while self.at < len(self.text):
            if self._peek() == "#":
                end = self.text.find("\n", self.at)
                self._step((end if end >= 0 else len(self.text)) - self.at)
            elif self._peek() in " \t\n":
                self._step()
            else:
                return True
        return False

    def _note(self, path: KeyPath, line: int) -> None:
        for end in range(1, len(path) + 1):
            self.lines.setdefault(path[:end], line)

    def _header(self) -> KeyPath:
        line = self.line
        is_array = self._peek(2) == "[["
        self._step(2 if is_array else 1)
        path = self._resolve(tuple(self._key()), is_array=is_array)
        self._note(path, line)
        self._step(2 if is_array else 1)
        return path

    def _resolve(self, names: tuple[str, ...], *, is_array: bool) -> KeyPath:
        """Insert the current element of every array of tables that the header passes through."""
        path: KeyPath = ()
        for position, name in enumerate(names):
            path = (*path, name)
            if is_array and position == len(names) - 1:
                self._arrays[path] = self._arrays.get(path, -1) + 1
            if path in self._arrays:
                path = (*path, self._arrays[path])
        return path

    def _pair(self, table: KeyPath) -> None:
        line = self.line
        path = (*table, *self._key())
        self._note(path, line)
        self._step()  # the equals sign
        self._value(path)

    def _key(self) -> Iterator[str]:
        """The parts of a dotted key; the cursor ends on what follows it."""
        while True:
            self._skip_blank()
            yield self._string() if self._peek() in "\"'" else self._bare()
            self._skip_blank()
            if self._peek() != ".":
                return
            self._step()

    def _bare(self) -> str:
        start = self.at
        while self.at < len(self.text) and self._peek() not in _BARE_END:
            self._step()
        return self.text[start : self.at]

    def _value(self, path: KeyPath) -> None:
        self._skip_blank()
        opening = self._peek()
        if opening == "{":
            self._inline_table(path)
        elif opening == "[":
            self._array(path)
        elif opening in ('"', "'"):
            self._string()
        else:
            while self.at < len(self.text) and self._peek() not in _VALUE_END:
                self._step()

    def _inline_table(self, path: KeyPath) -> None:
        self._step()
        while self._skip_blank() and self._peek() != "}":
            self._pair(path)
            self._skip_comma()
        self._step()

    def _array(self, path: KeyPath) -> None:
        self._step()
        index = 0
        while self._skip_blank() and self._peek() != "]":
            self._note((*path, index), self.line)
            self._value((*path, index))
            self._skip_comma()
            index += 1
        self._step()

    def _skip_comma(self) -> None:
        if self._skip_blank() and self._peek() == ",":
            self._step()

    def _string(self) -> str:
        quote = self._peek()
        if self._peek(3) == quote * 3:
            return self._multi_line(quote)
        self._step()
        start = self.at
        while self._peek() not in (quote, ""):
            self._step(2 if quote == '"' and self._peek() == "\\" else 1)
        raw = self.text[start : self.at]
        self._step()
        return _unescape(raw) if quote == '"' else raw

    def _multi_line(self, quote: str) -> str:
        """Only ever a value, so what it says does not matter: pass it."""
        self._step(3)
        while self._peek(3) not in (quote * 3, ""):
            self._step(2 if quote == '"' and self._peek() == "\\" else 1)
        self._step(3)
        while self._peek() == quote:  # a text may end in one or two quotes of its own
            self._step()
        return ""


def _unescape(raw: str) -> str:
    out: list[str] = []
    at = 0
    while at < len(raw):
        if raw[at] != "\\":
            out.append(raw[at])
            at += 1
            continue
        kind = raw[at + 1 : at + 2]
        digits = _HEX_DIGITS.get(kind, 0)
        if digits:
            out.append(chr(int(raw[at + 2 : at + 2 + digits], 16)))
        else:
            out.append(_ESCAPES.get(kind, kind))
        at += 2 + digits
    return "".join(out)
