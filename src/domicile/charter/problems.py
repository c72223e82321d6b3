"""What is wrong in a charter, and how that is said: file, line, key, expected, next step."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from domicile.charter.lines import KeyPath, line_of
from domicile.errors import CharterError

__all__ = ["Problem", "charter_error", "dotted", "where"]

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]{1,80}")
_LONGEST_LIST = 50  # problems printed; the rest are counted


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong at one key. Holds no secret: values appear only where they can't be one."""

    path: KeyPath
    failed: str
    expected: str
    next_step: str


def dotted(path: KeyPath) -> str:
    """The key as one would write it in TOML: ``people.spellings."the U.S."``, ``home[1]``."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            quoted = part if _BARE_KEY.fullmatch(part) else json.dumps(part[:80])
            text += f".{quoted}" if text else quoted
    return text


def where(source_name: str, lines: Mapping[KeyPath, int], path: KeyPath) -> str:
    """``domicile.toml:12: sites.virginia.country``."""
    return f"{source_name}:{line_of(lines, path)}: {dotted(path)}"


def charter_error(
    source_name: str, lines: Mapping[KeyPath, int], problems: Sequence[Problem]
) -> CharterError:
    """All ``problems`` of one file as one error, in the order of its lines."""
    ordered = sorted(problems, key=lambda problem: line_of(lines, problem.path))
    if len(ordered) == 1:
        only = ordered[0]
        return CharterError(
            f"{where(source_name, lines, only.path)}: {only.failed}",
            expected=only.expected,
            next_step=only.next_step,
        )
    rows = [_row(source_name, lines, problem) for problem in ordered[:_LONGEST_LIST]]
    if len(ordered) > _LONGEST_LIST:
        rows.append(f"and {len(ordered) - _LONGEST_LIST} more")
    listed = "".join(f"\n  {row}" for row in rows)
    return CharterError(
        f"{source_name} has {len(ordered)} problems:{listed}\n",
        next_step="correct these lines and run the command again",
    )


def _row(source_name: str, lines: Mapping[KeyPath, int], problem: Problem) -> str:
    text = f"{where(source_name, lines, problem.path)}: {problem.failed}"
    if problem.expected:
        text += f"; expected: {problem.expected}"
    return f"{text}; next: {problem.next_step}"
