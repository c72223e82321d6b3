"""From ``domicile.toml`` to a `Charter`, or to one error that lists everything wrong with it."""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from pydantic import ValidationError

from domicile.charter.lines import KeyPath, scan_lines
from domicile.charter.model import Charter
from domicile.charter.problems import charter_error
from domicile.charter.rules import check
from domicile.charter.secrets import secret_lines
from domicile.charter.shape import shape_problems
from domicile.errors import CharterError

__all__ = ["LoadedCharter", "load_charter", "parse_charter"]

_LARGEST_BYTES = 1024 * 1024
_AT_LINE = re.compile(
    r"^(?P<what>.*?)\s*\(at (?:line (?P<line>\d+), column (?P<column>\d+)|end of document)\)$"
)


@dataclass(frozen=True, slots=True)
class LoadedCharter:
    """A valid charter and the exact text it came from.

    sha256: of the file's bytes, hex; every ledger entry names it. warnings: what is legal but
    doubtful, each with its line. path: as given; relative paths in the charter start from its
    directory.
    """

    charter: Charter
    text: str
    sha256: str
    path: Path
    warnings: tuple[str, ...]


def load_charter(path: Path) -> LoadedCharter:
    """Read and check a charter. Exceptions expire at the end of their day in UTC.

    Raises CharterError: the file can't be read, or everything that is wrong in it.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise CharterError(
            f"{path}: there is no such charter",
            expected="a domicile.toml",
            next_step="name it with --charter, or write one (docs/charter.md)",
        ) from error
    except OSError as error:
        raise CharterError(
            f"{path}: cannot be read ({error.strerror or type(error).__name__})",
            expected="a readable file",
            next_step="check the path and its permissions",
        ) from error
    text = _decode(data, path)
    base = path.parent.resolve()
    return parse_charter(text, str(path), today=datetime.now(UTC).date(), base=base)


def parse_charter(
    text: str, source_name: str, *, today: date, base: Path | None = None
) -> LoadedCharter:
    """Parse and check a charter's text (pure). ``source_name`` is its path, for messages; ``base``
    is the directory that relative paths start from, by default that of ``source_name``.
    Raises CharterError listing all problems of the text."""
    values = _toml(text, source_name)
    lines = _lines(text, source_name)
    try:
        charter = Charter.model_validate(_tuples(values))
    except ValidationError as error:
        raise charter_error(source_name, lines, shape_problems(error, values)) from None
    start = Path(source_name).parent if base is None else base
    problems, doubts = check(charter, today=today, base=start)
    if problems:
        raise charter_error(source_name, lines, problems)
    for line in secret_lines(text):
        raise _secret(source_name, line)
    return LoadedCharter(
        charter=charter,
        text=text,
        sha256=hashlib.sha256(text.encode()).hexdigest(),
        path=Path(source_name),
        warnings=tuple(doubt.describe(source_name, lines) for doubt in doubts),
    )


def _decode(data: bytes, path: Path) -> str:
    expected = "UTF-8 text without a byte-order mark"
    if len(data) > _LARGEST_BYTES:
        raise CharterError(
            f"{path}: is {len(data)} bytes long",
            expected=f"at most {_LARGEST_BYTES} bytes",
            next_step="check that this is a charter",
        )
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise CharterError(
            f"{path}:{line}: is not UTF-8", expected=expected, next_step="save the file as UTF-8"
        ) from None
    if text.startswith("\ufeff"):
        raise CharterError(
            f"{path}:1: begins with a byte-order mark",
            expected=expected,
            next_step="save the file as UTF-8 without BOM",
        )
    return text


def _toml(text: str, source_name: str) -> dict[str, object]:
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise _too_deep(source_name) from None
    except ValueError as error:  # TOMLDecodeError, and integers beyond Python's limit
        raise _syntax_error(str(error), text, source_name) from None


def _syntax_error(message: str, text: str, source_name: str) -> CharterError:
    found = _AT_LINE.match(message)
    last = text.count("\n") + (0 if text.endswith("\n") else 1)
    line = int(found["line"]) if found and found["line"] else max(last, 1)
    what = found["what"] if found else message
    column = f", column {found['column']}" if found and found["column"] else ""
    return CharterError(
        f"{source_name}:{line}: not valid TOML: {what[:200]}{column}",
        expected='`key = value` lines under `[table]` headers; text in "quotes"',
        next_step=f"correct line {line}",
    )


def _lines(text: str, source_name: str) -> Mapping[KeyPath, int]:
    try:
        return scan_lines(text)
    except RecursionError:
        raise _too_deep(source_name) from None


def _too_deep(source_name: str) -> CharterError:
    return CharterError(
        f"{source_name}: values are nested too deeply",
        expected="a charter: tables, and lists of text",
        next_step="check that this is a charter",
    )


def _secret(source_name: str, line: int) -> CharterError:
    return CharterError(
        f"{source_name}:{line}: holds what looks like a secret",
        expected="no secret anywhere, comments included: the text becomes part of the ledger",
        next_step="remove it, and change the secret if others may have read this file",
    )


def _tuples(value: object) -> object:
    """Lists as tuples, all the way down: the models are frozen and strict."""
    if isinstance(value, dict):
        return {key: _tuples(item) for key, item in value.items()}
    if isinstance(value, list):
        return tuple(_tuples(item) for item in value)
    return value
