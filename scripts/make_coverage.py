"""Write docs/coverage.md from what the tests saw: ``make coverage``."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from tests.covering import COLLECT, GROUPS, PAGE, Covered  # noqa: E402 - found once the root is known

HEAD = """\
# What is covered

Each line was seen by the test that it names, on real servers, in the run that wrote this page
(`make coverage`). *no* means that the step isn't taken; the note says why. What isn't examined
keeps a boundary from being called home ([limits.md](limits.md)).
"""
STEPS = (
    "| kind | found | moved | verified | erased | note | shown by |\n|---|---|---|---|---|---|---|"
)


def page(rows: list[Covered]) -> str:
    """The whole page: a table for each group, in the order of the kinds' names."""
    parts = [HEAD]
    for group in GROUPS:
        lines = sorted({row.line for row in rows if row.group == group})
        if lines:
            parts.append("\n".join([f"## {group}\n", STEPS, *lines]) + "\n")
    return "\n".join(parts)


def main() -> int:
    """Run the tests that cover something, and write the page; 1 where one of them fails."""
    with tempfile.TemporaryDirectory() as directory:
        collected = Path(directory) / "rows"
        collected.touch()
        command = [sys.executable, "-m", "pytest", "-q", "-n", "3", "--dist", "worksteal"]
        result = subprocess.run(  # noqa: S603 - our own tests
            [*command, "-m", "covers", *sys.argv[1:]],
            cwd=ROOT,
            env={**os.environ, COLLECT: str(collected)},
            check=False,
        )
        if result.returncode:
            return 1
        rows = [Covered(**json.loads(line)) for line in collected.read_text().splitlines()]
    text = page(rows)
    if lost := _kinds(PAGE.read_text()) - _kinds(text):
        print("not shown this time, so nothing was written:", *sorted(lost), sep="\n  ")
        print("if that is meant, take their lines out of the page first")
        return 1
    PAGE.write_text(text)
    return 0


def _kinds(text: str) -> set[str]:
    """The kinds that a page has lines of."""
    return {line.split(" | ")[0] for line in text.splitlines() if line.endswith("` |")}


if __name__ == "__main__":
    sys.exit(main())
