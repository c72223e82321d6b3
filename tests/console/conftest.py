"""The API of a desk, served on loopback by the real command."""

from __future__ import annotations

import http.client
import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest

from domicile.console import Limits
from domicile.ledger import FileSigner
from domicile.ledger.proposals import read_note
from domicile.ledger.signing import sign_note
from tests.policy.precinct import Precinct, make_precinct

_PATIENCE_S = 60
_ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    body: Any
    media_type: str
    headers: dict[str, str]


@dataclass(frozen=True)
class Served:
    """A running server, and its precinct."""

    precinct: Precinct
    port: int
    process: subprocess.Popen[bytes]

    def ask(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        token: str = "",
        address: str = "127.0.0.1",
        headers: dict[str, str] | None = None,
    ) -> Answer:
        """A request from this address."""
        source = (address, 0)
        connection = http.client.HTTPConnection("127.0.0.1", self.port, 60, source)
        with closing(connection):
            sent = {"authorization": f"Bearer {token}", **(headers or {})}
            data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
            if data is not None:
                sent["content-type"] = "application/json"
            connection.request(method, path, data, sent)
            answer = connection.getresponse()
            text = answer.read()
            given = {name.lower(): value for name, value in answer.getheaders()}
        body = json.loads(text) if text else None
        return Answer(answer.status, body, given.get("content-type", ""), given)

    def agree(self, path: str, approver: str, token: str, address: str = "127.0.0.1") -> Answer:
        """What comes of an approver's signature under a request."""
        got = self.ask("GET", f"{path}/agreement", token=token, address=address)
        if got.status != HTTPStatus.OK:
            return got
        unsigned = read_note(got.body["note"].encode())
        signed = sign_note(unsigned.text, [FileSigner.load(self.precinct.key(approver))], 0)
        sent = {"note": signed.encode().decode()}
        return self.ask("POST", f"{path}/agreements", sent, token=token, address=address)


@contextmanager
def serving(precinct: Precinct, limits: Limits | None = None) -> Iterator[Served]:
    """Serve by the real command, or under other limits than its own, and stop at the end."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    words = ["domicile", "serve", "--charter", str(precinct.charter), "--port", str(port)]
    if limits is not None:
        given = json.dumps(asdict(limits))
        words = ["tests.console.limited", str(precinct.charter), str(port), given]
    process = subprocess.Popen([sys.executable, "-m", *words], cwd=_ROOT)
    try:
        served = Served(precinct, port, process)
        _await(served)
        yield served
    finally:
        process.terminate()
        assert process.wait(_PATIENCE_S) == 0


def _await(served: Served) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        try:
            assert served.ask("GET", "/healthy").status == 200
        except OSError:
            assert served.process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.1)
        else:
            return


@pytest.fixture(scope="session")
def made_precinct(tmp_path_factory: pytest.TempPathFactory) -> Precinct:
    """As it was made."""
    return make_precinct(tmp_path_factory.mktemp("precinct"))


@pytest.fixture(scope="session")
def served(made_precinct: Precinct, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One for all tests that only ask."""
    directory = tmp_path_factory.mktemp("served") / "p"
    with serving(made_precinct.copy(directory)) as running:
        yield running


@pytest.fixture
def own_precinct(made_precinct: Precinct, tmp_path: Path) -> Precinct:
    """A precinct of one's own."""
    return made_precinct.copy(tmp_path / "p")
