"""``domicile ledger witness`` as a process."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

from domicile.ledger.keys import Verifier
from domicile.ledger.note import cosigners
from tests.ledger.witness_world import growth, history, submit, with_lines
from tests.ledger.world import SIGNER

NAME = "witness.example/w1"
COMMAND = (sys.executable, "-m", "domicile", "ledger", "witness")


def run(*options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *options], capture_output=True, text=True, check=False, timeout=60
    )


def test_a_witness_makes_its_keys_listens_cosigns_and_stops(tmp_path: Path) -> None:
    directory = str(tmp_path / "witness")
    shown = run("--directory", directory, "--name", NAME, "--show-keys")
    assert shown.returncode == 0
    keys = [Verifier.parse(line) for line in shown.stdout.split()]
    assert [key.algorithm for key in keys] == [0x04, 0x06]
    options = ["--directory", directory, "--name", NAME, "--log", SIGNER.vkey]
    process = subprocess.Popen(
        [*COMMAND, *options, "--listen", "127.0.0.1:0"], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        printed = [process.stdout.readline().strip() for _ in range(3)]
        assert printed[:2] == [key.vkey for key in keys]
        assert printed[2].startswith(f"witness {NAME} listens at http://127.0.0.1:")
        leaves = history("", 3)
        reply = submit(printed[2].rpartition(" ")[2], growth(leaves, 0))
        assert cosigners(with_lines(leaves, reply.body), keys) == {NAME}
        second = run(*options)
        assert second.returncode == 2
        assert "running already" in " ".join(second.stderr.split())
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)
    assert process.returncode == 0


def test_what_a_witness_cannot_take_is_said(tmp_path: Path) -> None:
    common = ("--directory", str(tmp_path / "witness"), "--name", NAME)
    log = ("--log", SIGNER.vkey)
    for options, sentence in (
        ((), "there is no log to watch"),
        (("--log", "x"), "a verifier key is malformed"),
        ((*log, "--listen", "8093"), "is no address to listen at"),
        ((*log, "--listen", "127.0.0.1:99999"), "is no address to listen at"),
        ((*log, "--listen", "192.0.2.1:0"), "cannot listen at 192.0.2.1:0"),
        ((*log, "--tls-key", "none.pem"), "a key without its certificate"),
        ((*log, "--tls-certificate", "none.pem"), "No such file"),
    ):
        done = run(*common, *options)
        assert done.returncode == 2, options
        assert sentence in " ".join(done.stderr.split()), options
    assert run("--directory", str(tmp_path), "--name", "a b", "--show-keys").returncode == 2
