"""The command line as a whole: what help shows, and what it costs to start."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import click
import msgspec
import pytest
from rich.console import Console

import domicile
from domicile.cli.demo import _Story
from domicile.cli.exits import Exit
from domicile.cli.main import COMMANDS, cli
from domicile.cli.status import exit_of
from tests.report.world import BEFORE, FOUND, LEDGER, status


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_where_its_name_says_and_helps(name: str) -> None:
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    assert command.name == name
    assert command.help


def test_an_unknown_command_is_none() -> None:
    assert cli.get_command(click.Context(cli), "os") is None


def test_the_list_names_every_command_and_what_it_does() -> None:
    shown = cli.get_help(click.Context(cli))
    assert all(name in shown and about in shown for name, about in COMMANDS.items())


@pytest.mark.parametrize(("problems", "code"), [(0, Exit.WELL), (1, Exit.EVIDENCE)])
def test_whoever_shows_records_under_broken_evidence_says_so_by_the_exit_code(
    problems: int, code: Exit
) -> None:
    ledger = msgspec.structs.replace(LEDGER, problem_count=problems)
    assert exit_of(status(replace(FOUND, ledger=ledger))) is code
    assert exit_of(status(replace(FOUND, plan=None, after=BEFORE))) is Exit.REMAINS


def test_a_worker_that_imports_the_entry_point_imports_no_command() -> None:
    code = (
        "import sys, domicile.__main__; print(*(m for m in sys.modules if m in"
        " ('sqlalchemy', 'pyarrow', 'pydantic', 'domicile.inventory')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


@pytest.mark.parametrize(("rows", "raised"), [(1_000_000, False), (1_000_001, True)])
def test_the_demo_allows_as_many_items_as_it_made(
    tmp_path: Path, rows: int, *, raised: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    story = _Story(Console(), tmp_path, None)
    said: list[tuple[str, ...]] = []
    for runs in ("run", "run_apart"):
        monkeypatch.setattr(story, runs, lambda *words, **_: said.append(words))
    monkeypatch.setattr(story, "_open", lambda: None)
    story.rows = rows
    story._commands()
    (erase,) = (words for words in said if words[0] == "erase")
    assert (("--max-items", str(rows)) == erase[1:3]) is raised


def test_whoever_opens_a_session_knows_every_kind_of_entry() -> None:
    source = Path(domicile.__file__).parent
    writers = {
        ".".join(("domicile", *path.relative_to(source).with_suffix("").parts))
        for path in source.rglob("*.py")
        if "\n@entry_kind(" in path.read_text()
    } - {"domicile.ledger.entries"}
    assert writers
    code = "import sys, domicile.cli.session; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert writers <= set(done.stdout.split())


def test_what_every_command_and_worker_imports_leaves_out_what_is_slow_to_import() -> None:
    shown = "import sys, domicile.cli.move; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", shown], capture_output=True, text=True, check=True)
    imported = set(done.stdout.split())
    assert "domicile.custody.entries" in imported
    assert not imported & {"sqlalchemy", "alembic", "boto3", "aiohttp", "domicile.state"}
