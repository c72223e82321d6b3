"""docs/ledger.md, as an auditor walks through it. The page cannot drift from the program.

The outputs are written anew where DOMICILE_WRITE_TUTORIAL is 1.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import domicile
from domicile.ledger import Log, decode
from domicile.ledger.bundle import Keys, make_bundle
from domicile.ledger.outside import verify_bundle
from domicile.ledger.question import Question
from domicile.ledger.reader import published_keys
from tests.ledger.bundles import make_bundles as made
from tests.strangers.tutorial import Run, comparable, steps

PAGE = Path(domicile.__file__).parent.parent.parent / "docs" / "ledger.md"
PROGRAMS = ("bash", "jq", "xxd", "openssl", "sha256sum", "base64")


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What lies on the auditor's desk."""
    desk = tmp_path_factory.mktemp("desk")
    entries = [decode(data) for data in made.story()]
    for part in (entries[:5], entries[5:]):
        with Log.open(desk / "ledger", made.LOG, made.ORIGIN) as log:
            log.append(part)
        if not (desk / "older").exists():
            shutil.copy(desk / "ledger" / "checkpoint", desk / "older")
    keys = Keys(tuple(published_keys(desk / "ledger")))
    answer = make_bundle(desk / "ledger", Question(kinds=("erase",)), keys)
    (desk / "bundle.json").write_bytes(b"".join(answer.encode()))
    shutil.copy(desk / "ledger" / "log.vkey", desk / "log.vkey")
    shutil.copy(verify_bundle.__file__, desk / "verify_bundle.py")
    for number in range(3):
        shard = f"rows-messages-{number:05d}"
        path = desk / "records" / made.digest(shard).path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(made.file_of(shard))
    (desk / "bin").mkdir()
    (desk / "bin" / "python").write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    (desk / "bin" / "python").chmod(0o755)
    return desk


def run(command: str, desk: Path) -> str:
    path = os.pathsep.join((str(desk / "bin"), os.environ["PATH"]))
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=desk,
        env={**os.environ, "PATH": path, "LC_ALL": "C.UTF-8"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        text=True,
        check=False,
    )
    return done.stdout


def block(language: str) -> str:
    found = re.search(
        rf"^```{language}\n(.*?)^```$", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL
    )
    assert found is not None
    return found[1]


needs_programs = pytest.mark.skipif(
    any(shutil.which(name) is None for name in PROGRAMS), reason=f"needs {', '.join(PROGRAMS)}"
)


@needs_programs
def test_the_page_says_what_happens(desk: Path) -> None:
    page = PAGE.read_text(encoding="utf-8")
    done = [(step, run(step.command, desk)) for step in steps(page) if isinstance(step, Run)]
    assert len(done) >= 8
    if os.environ.get("DOMICILE_WRITE_TUTORIAL") == "1":
        for step, printed in reversed(done):
            page = page[: step.start] + printed + page[step.end :]
        PAGE.write_text(page, encoding="utf-8")
        return
    for step, printed in done:
        assert comparable(printed) == comparable(step.output), step.command


@needs_programs
def test_the_pages_shell_loop_leads_to_the_signed_root(desk: Path) -> None:
    for number in range(11):
        hashed, root = run(block("bash").replace("n=3 ", f"n={number} ", 1), desk).split()
        assert hashed == root
        assert len(root) == 64
    changed = (desk / "bundle.json").read_text("utf-8").replace('\\"erased\\":7', '\\"erased\\":8')
    other = desk / "changed"
    other.mkdir(exist_ok=True)
    (other / "bundle.json").write_text(changed, encoding="utf-8")
    hashed, root = run("cd changed\n" + block("bash").replace("n=3 ", "n=10 ", 1), desk).split()
    assert hashed != root


@pytest.mark.skipif(shutil.which("go") is None, reason="needs Go and golang.org/x/mod")
def test_the_pages_go_program_agrees(desk: Path) -> None:
    (desk / "check.go").write_text(block("go"), encoding="utf-8")
    environ = "GO111MODULE=off GOFLAGS= GOCACHE=$PWD/cache GOPATH=${GOPATH:-/usr/share/gocode}"
    assert run(f"{environ} go run check.go", desk) == f"11 entries are in {made.ORIGIN}\n"


def test_the_page_names_every_filter_and_member() -> None:
    page = PAGE.read_text(encoding="utf-8")
    members = [*made.good(), *Question.__struct_fields__]
    assert [name for name in members if f"`{name}`" not in page] == []
