"""The demo as a newcomer runs it, in a world so small that no object of a member lies anywhere."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.story.test_kills import LONG


@pytest.mark.skipif(
    not LONG, reason="a minute, and `make demo` tells the usual one: make test-long"
)
def test_a_world_whose_buckets_hold_nothing_of_a_member_comes_home_too(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "domicile", "demo", "--people", "40", "--workers", "1"]
    done = subprocess.run(
        [*command, "--json", "--workspace", str(tmp_path / "world")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    told_as_one = " ".join(done.stderr.split())
    assert "verdict: home" in done.stderr
    assert "4 certificates of erasure: complete" in done.stderr
    assert "\nHOLDS " in done.stderr
    assert "with ML-DSA-44\n" in done.stderr
    assert "denied by home-team-only: the caller is employed by the company, in SG" in told_as_one
    assert ": active\n" in done.stderr
    assert ": revoked\n" in done.stderr
    history = done.stderr.partition("domicile access history")[2]
    assert all(word in history for word in ("asked to", "approved", "began to", "revoked"))
    assert "domicile_c-" not in done.stderr  # nobody's token
    assert "WRONG" not in done.stderr
    assert "NOT CHECKED" not in done.stderr
    told = json.loads(done.stdout)
    assert len(told["certificates"]) == 4
    assert all(
        Path(path).is_file() for path in (told["report"], told["bundle"], *told["certificates"])
    )
