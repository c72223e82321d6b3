"""docs/coverage.md names tests that are there and that cover something."""

from __future__ import annotations

import re
from pathlib import Path

from tests.covering import PAGE

TESTS = Path(__file__).parent


def test_every_row_names_a_test_that_still_covers() -> None:
    named = {
        match[1] for match in re.finditer(r"\| `(test_\w+)` \|$", PAGE.read_text(), re.MULTILINE)
    }
    assert named
    source = "\n".join(path.read_text() for path in TESTS.rglob("test_*.py"))
    covering = {match[1] for match in re.finditer(r"def (test_\w+)\([^)]*\bcovers: Covers", source)}
    assert named <= covering
