"""Which kinds of things a test has seen found, moved, verified and erased: docs/coverage.md.

A test that took a kind of thing all the way says so with ``covers(...)`` after its last assertion.
The page is made from a run (``make coverage``); in other runs a test fails whose row isn't there.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import pytest

COLLECT = "DOMICILE_COVERAGE"
"""A file to which rows are added instead of being looked up."""
PAGE = Path(__file__).parent.parent / "docs" / "coverage.md"
GROUPS = ("Persons", "Rows", "Copies", "Objects", "Later")


@dataclass(frozen=True, slots=True)
class Covered:
    """One row: a kind of thing, and what became of it."""

    group: str
    kind: str
    found: bool
    moved: bool
    verified: bool
    erased: bool
    note: str
    test: str

    @property
    def line(self) -> str:
        """As the page has it."""
        steps = (self.found, self.moved, self.verified, self.erased)
        cells = ["yes" if step else "no" for step in steps]
        return f"| {self.kind} | {' | '.join(cells)} | {self.note} | `{self.test}` |"


Covers = Callable[..., None]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that cover something, so that they can be run alone."""
    for item in items:
        if "covers" in getattr(item, "fixturenames", ()):
            item.add_marker("covers")


@pytest.fixture
def covers(request: pytest.FixtureRequest) -> Covers:
    """Say what became of a kind of thing: ``covers("Rows", "partitioned tables")``.

    steps: those it was seen to take, of ``found moved verified erased``; all four by default. note:
    in a few words what is special, and where a step is missing, why (``not examined: …``).
    """
    test = request.node.originalname or request.node.name

    def say(
        group: str, kind: str, steps: str = "found moved verified erased", note: str = ""
    ) -> None:
        taken = set(steps.split())
        assert taken <= {"found", "moved", "verified", "erased"}, steps
        assert group in GROUPS, f"{group} is none of {GROUPS}"
        assert note or len(taken) == 4, f"{kind}: say why a step is missing"
        assert "|" not in kind + note, "the page is a table"
        flags = ("found" in taken, "moved" in taken, "verified" in taken, "erased" in taken)
        _keep(Covered(group, kind, *flags, note, test))

    return say


def _keep(row: Covered) -> None:
    if path := os.environ.get(COLLECT):
        with Path(path).open("a") as rows:
            rows.write(json.dumps(asdict(row)) + "\n")
        return
    assert row.line in PAGE.read_text().splitlines(), f"make coverage: {row.line}"
