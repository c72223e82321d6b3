"""docs/coverage.md names tests that are there and that cover something."""

from __future__ import annotations

import re
from pathlib import Path

from tests.covering import PAGE

TESTS = Path(__file__).parent


def test_every_row_names_a_test_that_still_covers() -> None:
    rows = re.findall(
        r"^\| (.+?) \| (?:yes|no) \|.*\| `(test_\w+)` \|$", PAGE.read_text(), re.MULTILINE
    )
    assert rows
    source: dict[str, str] = {}
    for path in TESTS.rglob("test_*.py"):
        text = path.read_text()
        covering = re.findall(r"def (test_\w+)\([^)]*\bcovers: Covers", text)
        source |= dict.fromkeys(covering, text)
    for kind, test in rows:
        assert f'"{kind}"' in source[test], f"{test} says nothing of {kind} any more"
