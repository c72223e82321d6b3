"""A told story is served again, and whoever does what its screen says sees what it says."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Timer
from typing import Any

import pytest

from domicile.cli.demo_access import Custodians, tell_access
from domicile.cli.exits import Exit
from domicile.demo.custodians import name_custodians
from domicile.demo.servers import servers
from domicile.demo.truth import snapshot_truth
from domicile.demo.workspace import give_keys, remove_workspace, write_workspace
from domicile.demo.world import build
from tests.services import unavailable
from tests.story.forking import forker
from tests.story.stage import SOURCE, Stage

_PATIENCE_S = 120
_LAST = "Ctrl-C here ends it all."


class _Quiet:
    """Tells the demo's chapters to nobody."""

    def __init__(self, stage: Stage) -> None:
        self.stage, self.workspace = stage, stage.directory

    def run(self, *words: str, expected: int = Exit.WELL) -> None:
        self.stage.run(*words).expect(expected)

    def run_apart(self, *words: str) -> None:
        code, _, err = forker().run(words, _environ(self.stage))
        assert code == Exit.WELL, err

    def ask(self, *words: str) -> dict[str, Any]:
        answer: dict[str, Any] = self.stage.run(*words, "--json").expect(Exit.WELL).json
        return answer

    def say(self, text: str) -> None:
        assert text


def _environ(stage: Stage) -> dict[str, str]:
    """A terminal's, in which AWS's command line was meant for elsewhere."""
    return {
        **os.environ,
        "PYTHONPATH": SOURCE,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "XDG_STATE_HOME": str(stage.directory / "reader"),
        "AWS_PROFILE": "elsewhere",
        "AWS_SESSION_TOKEN": "of-elsewhere",
    }


@pytest.fixture
def told(open_directory: Path) -> Iterator[Stage]:
    """What the demo leaves, but for what is erased: its own chapters, its first member shredded."""
    directory = open_directory / "told"
    write_workspace(directory, build(60, seed=11, objects=80))
    stage = Stage(directory, snapshot_truth(directory))
    try:
        give_keys(directory)
        name_custodians(directory)
        Custodians(_Quiet(stage)).enact_charter()
        stage.run("custody", "create").expect(0)
        stage.run("scan", "--workers", "1").expect(1)
        for command in ("plan", "move", "verify"):
            stage.run(command).expect(0)
        tell_access(_Quiet(stage), _drafts(stage)[0], there=True)
        (directory / "one-member.txt").write_text(f"{_drafts(stage)[0].split('/')[1]}\n")
        yield stage
    finally:
        stage.close()
        remove_workspace(directory)


def _drafts(stage: Stage) -> list[str]:
    return sorted(
        version.key
        for page in stage.bucket("oracle").versions("drafts/")
        for version in page
        if version.is_latest and not version.is_marker
    )


@contextmanager
def _served(stage: Stage) -> Iterator[list[str]]:
    """The screen's lines to type; ended by Ctrl-C."""
    words = ("demo", "--serve", "--workspace", str(stage.directory))
    process = subprocess.Popen(
        [sys.executable, "-m", "domicile", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=_environ(stage),
    )
    assert process.stdout is not None
    too_late = Timer(_PATIENCE_S, process.terminate)
    too_late.start()
    said: list[str] = []
    try:
        for line in process.stdout:
            said.append(line)
            if line.startswith(_LAST):
                break
        yield [line.strip() for line in said if line.startswith("  ")]
    finally:
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate(timeout=_PATIENCE_S)
        too_late.cancel()
    assert process.returncode == Exit.WELL, "".join(said) + rest
    assert "Traceback" not in rest


def test_what_the_screen_says_to_type_shows_what_it_says(told: Stage) -> None:
    if shutil.which("aws", path=_environ(told)["PATH"]) is None:
        unavailable("AWS's command line", "pip install awscli")
    spared = next(k for k in _drafts(told) if k.split("/")[1] != _drafts(told)[0].split("/")[1])
    with _served(told) as lines:
        file = told.directory / "aws.env"
        assert file.stat().st_mode & 0o777 == 0o600
        (secret,) = re.findall(r"SECRET_ACCESS_KEY=(.*)", file.read_text())
        assert not [line for line in lines if secret in line]
        done = subprocess.run(
            ["bash"],
            input="\n".join(lines),
            capture_output=True,
            text=True,
            check=False,
            env=_environ(told),
        )
    assert done.returncode == 0, done.stderr
    assert "denied by home-team-only: the caller is employed by the company" in done.stderr
    assert "(403) when calling the HeadObject operation: Forbidden" in done.stderr
    assert len(re.findall("download: s3://drafts/", done.stdout)) == 1
    assert (told.directory / "draft.mp4").read_bytes() == told.get("virginia", spared)
    assert re.findall(r"access\.[a-z-]+", done.stdout) == [
        *("access.denied", "access.denied"),
        *("access.request-made", "access.agreed", "access.agreed"),
        *("access.opened", "access.closed", "access.opened", "access.closed"),
        "access.grant-changed",
    ]
    assert "kim ended" in " ".join(done.stdout.split())
    assert not file.exists()
    assert not [place for place, server in servers(told.directory).items() if server.running()]
    over = told.run("ledger", "search", "--kind", "access.credential-ended", "--json")
    assert len(over.expect(0).json["entries"]) == 1
    told.run("ledger", "verify").expect(0)


def test_a_folder_without_a_story_is_not_served(tmp_path: Path) -> None:
    words = ("demo", "--serve", "--workspace", str(tmp_path / "none"))
    code, _, err = forker().run(words, {**os.environ, "PYTHONPATH": SOURCE})
    assert code == Exit.OPERATOR
    assert "is no workspace of the demo" in err
    assert not (tmp_path / "none").exists()
