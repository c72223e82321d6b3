"""kill -9 of a witness at every step of remembering: it never signs behind what it remembers."""

from __future__ import annotations

import http.client
import signal
import subprocess
import sys
from pathlib import Path

from domicile.ledger.keys import Verifier
from domicile.ledger.merkle import root_of
from domicile.ledger.note import cosigners, open_checkpoint
from domicile.ledger.witness.memory import origin_hash
from tests.ledger.witness_world import LOGS, growth, history, open_witness, submit, with_lines
from tests.ledger.world import ORIGIN

SERVER = """
import os, signal, sys
from pathlib import Path
from domicile.ledger.disk import Disk
from domicile.ledger.witness.server import Listen, serve
from tests.ledger.witness_world import open_witness

class KillingDisk(Disk):
    left = -1
    def _step(self):
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

for name in ("create", "write", "sync", "rename", "remove", "sync_directory"):
    def step(self, *args, _call=getattr(Disk, name), **more):
        done = _call(self, *args, **more)
        self._step()
        return done
    setattr(KillingDisk, name, step)

disk = KillingDisk()
witness = open_witness(Path(sys.argv[1]), disk=disk)
disk.left = int(sys.argv[2])
serve(witness, Listen("127.0.0.1", 0), lambda url: print(url, flush=True))
witness.close()
"""
MOST_STEPS = 20


def server(directory: Path, steps: int) -> tuple[subprocess.Popen[str], str]:
    """A witness that is killed after so many of its disk's calls, and its URL."""
    command = [sys.executable, "-c", SERVER, str(directory), str(steps)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return process, process.stdout.readline().strip()


def test_a_witness_killed_at_any_step_never_signs_behind_what_it_remembers(tmp_path: Path) -> None:
    one, two = history("a", 9, common=4), history("b", 9, common=4)
    found = set()
    for steps in range(1, MOST_STEPS):
        directory = tmp_path / f"{steps}"
        begun = open_witness(directory)
        assert begun.add_checkpoint(growth(one[:4], 0)).status == 200
        begun.close()
        process, url = server(directory, steps)
        try:
            answered = submit(url, growth(one, 4)).status == 200
        except (ConnectionError, http.client.HTTPException):
            answered = False
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)
        assert process.returncode == (0 if answered else -signal.SIGKILL)
        found.add(_resumes(directory, one, two, answered=answered))
        if answered:
            break
    assert answered
    assert found == {(4, False), (9, False), (9, True)}  # before, between, after


def _resumes(
    directory: Path, one: list[bytes], two: list[bytes], *, answered: bool
) -> tuple[int, bool]:
    """What the next process remembers, having been asked to sign what it must not."""
    again = open_witness(directory)
    kept = int(again.add_checkpoint(growth(one, 1)).body)
    shown = again.checkpoint(origin_hash(ORIGIN)).body.encode()
    assert open_checkpoint(shown, LOGS[ORIGIN]).root == root_of(one[:kept])
    if kept == 9:
        assert again.add_checkpoint(growth(two, 4)).status == 409
        assert again.add_checkpoint(growth(two, 9)).status == 422
        assert again.add_checkpoint(growth(one[:6], 4)).status == 409
    answer = again.add_checkpoint(growth(one, kept))
    assert answer.status == 200
    keys = [Verifier.parse(vkey) for vkey in again.vkeys]
    assert cosigners(with_lines(one, answer.body.encode()), keys)
    again.close()
    return kept, answered


def test_sigterm_ends_a_witness_at_once_and_well(tmp_path: Path) -> None:
    process, url = server(tmp_path, -1)
    assert submit(url, growth(history("", 3), 0)).status == 200
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)
    assert process.returncode == 0
