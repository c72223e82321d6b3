"""Partitioned and unlogged tables and materialised views on their way home, whatever is killed."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.services.postgres import PostgresServer
from tests.story.test_kills import LONG
from tests.strangers.story import Story
from tests.strangers.test_rugged import COLUMNS, MEMBERS, Expected, held, rugged_story

_CHANGES = {"move": 140, "verify": 120, "erase": 80}
"""A kill comes at one of these changes to files; each command makes more, and an erasure so many
before it rewrites anything."""
_ERASE = ("erase", "--site", "old", "--confirm", "old")
_EXCLUSIVE = (
    "public.person_0",
    "public.person_1",
    'archive."post 2023: rest"',
    "public.post_2024",
    "public.draft",
    "public.event_odd",
    "public.top",
    "public.addresses",
    "archive.behind",
)
"""What an erasure rewrites or refreshes: each of them alone for an instant."""


def _lost(story: Story) -> Callable[[], list[str]]:
    """What is neither where it was nor, equal, at home: must be empty at every instant."""
    columns = {table: COLUMNS.get(table, "*") for table in MEMBERS}
    before = {
        table: held(story.source, table, which, columns[table]) for table, which in MEMBERS.items()
    }

    def look() -> list[str]:
        away = {table: held(story.source, table, columns=names) for table, names in columns.items()}
        home = {table: held(story.home, table, columns=names) for table, names in columns.items()}
        return [
            f"{table}: {row}"
            for table, rows in before.items()
            for row in rows - away[table] - home[table]
        ]

    return look


@pytest.mark.parametrize("seed", range(12) if LONG else range(1))
def test_partitions_and_views_are_as_they_must_be_whatever_is_killed(
    postgres15: PostgresServer, postgres18: PostgresServer, tmp_path: Path, seed: int
) -> None:
    rng = random.Random(f"rugged/{seed}")  # noqa: S311 - seeded
    servers = (postgres15, postgres18) if seed % 2 else (postgres18, postgres15)
    story = rugged_story(tmp_path / "story", servers)
    expected, lost = Expected.of(story), _lost(story)
    story.run("scan", expected=1)
    story.run("plan")
    for command, changes in _CHANGES.items():
        words = _ERASE if command == "erase" else (command,)
        many = ("--workers", str(1 + seed % 2))
        delay_s = rng.choice((0.0, 0.003, 0.02))
        assert story.struck(rng.randint(1, changes), delay_s, *words, *many)
        if command == "erase":
            assert lost() == []
            assert story.killed_waiting_for(rng.choice(_EXCLUSIVE), *words, *many)
            assert lost() == []
        story.run(*words)
    expected.check(story)
    story.run("scan")
    story.run("ledger", "verify")
