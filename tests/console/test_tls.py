"""The server with TLS: tokens travel under it, and who has a certificate's key is known by it, and
by no header."""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.console.authorities import Authority
from tests.ledger.test_witness import certificate
from tests.policy.precinct import Precinct

Files = tuple[Path, Path]
NOWHERE, OFFICE = "127.0.0.3", "127.0.0.2"
QUESTION = {"dataset": "drafts", "purpose": "engineering"}


@dataclass(frozen=True)
class Door:
    """A running server with TLS, and the file of its own certificate."""

    port: int
    chain: Path

    def context(self, shown: Files | None = None) -> ssl.SSLContext:
        """A client's, with its certificate."""
        context = ssl.create_default_context(cafile=self.chain)
        if shown is not None:
            context.load_cert_chain(*shown)
        return context

    def ask(
        self,
        context: ssl.SSLContext,
        token: str = "",
        *,
        address: str = "127.0.0.1",
        body: object = None,
        **headers: str,
    ) -> tuple[int, Any]:
        """The status and the body of an answer, to a question or about one's requests."""
        connection = http.client.HTTPSConnection(
            "localhost", self.port, timeout=60, context=context, source_address=(address, 0)
        )
        sent = {"authorization": f"Bearer {token}"} if token else {}
        with closing(connection):
            if body is None:
                connection.request("GET", "/v1/requests", headers={**sent, **headers})
            else:
                sent["content-type"] = "application/json"
                connection.request("POST", "/v1/decisions", json.dumps(body), sent)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())


@contextmanager
def door(precinct: Precinct, directory: Path, *more: str) -> Iterator[Door]:
    """Serve by the real command, and stop at the end."""
    chain, key = certificate(directory)
    key.chmod(0o600)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    words = ["serve", "--charter", str(precinct.charter), "--port", str(port)]
    words += ["--tls-cert", str(chain), "--tls-key", str(key), *more]
    process = subprocess.Popen([sys.executable, "-m", "domicile", *words])
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 30).close()
                break
            except ConnectionRefusedError:
                assert process.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.1)
        yield Door(port, chain)
    finally:
        os.kill(process.pid, signal.SIGTERM)
        assert process.wait(60) == 0


def test_a_token_is_good_under_tls_and_headers_about_certificates_are_nothing(
    own_precinct: Precinct, tmp_path: Path
) -> None:
    token = own_precinct.token("kim")
    with door(own_precinct, tmp_path) as served:
        assert served.ask(served.context(), token)[0] == 200
        header = {
            "x-client-cert": "kim",
            "x-ssl-client-s-dn": "CN=kim",
            "x-ssl-client-verify": "ok",
        }
        assert served.ask(served.context(), **header)[0] == 401
        old = served.context()
        old.maximum_version = ssl.TLSVersion.TLSv1_2
        with pytest.raises((ssl.SSLError, ConnectionError)):
            served.ask(old, token)
        with socket.create_connection(("127.0.0.1", served.port), 30) as plain:
            plain.sendall(b"GET /healthy HTTP/1.1\r\nHost: h\r\n\r\n")
            assert b"HTTP/1.1 200" not in plain.recv(1000)


def test_a_certificate_that_is_known_is_who_has_its_key_until_it_is_revoked(
    own_precinct: Precinct, tmp_path: Path
) -> None:
    ours, theirs = Authority(tmp_path, "ours"), Authority(tmp_path, "theirs")
    kim, stranger = ours.certify("kim", "US", days=30), ours.certify("stranger", "US")
    old, forged = ours.certify("old", days=-1), theirs.certify("forged")
    issue = ("staff", "credential", "kim", "--certificate", str(kim[0]))
    name = own_precinct.json(*issue)["credential"]
    assert own_precinct.refused(*issue).startswith("the certificate is a credential already")
    assert "no certificate" in own_precinct.refused(*issue[:-1], str(kim[1]))
    assert "would have expired" in own_precinct.refused(*issue[:-1], str(old[0]))
    own_precinct.run("access", "request", *own_precinct.showing("kim"), *ASKING)
    tokens = {staff: own_precinct.token(staff) for staff in ("kim", "ann")}
    with door(own_precinct, tmp_path, "--tls-client-ca", str(ours.file)) as served:
        as_kim = served.context(kim)
        status, requests = served.ask(as_kim)
        assert (status, [one["staff"] for one in requests]) == (200, ["kim"])
        assert served.ask(as_kim, tokens["kim"])[0] == 200
        status, problem = served.ask(as_kim, tokens["ann"])
        assert status == 401
        assert "of different staff" in problem["detail"]
        status, problem = served.ask(served.context(stranger))
        assert (status, problem["detail"]) == (401, "the certificate is nobody's")
        assert served.ask(served.context(stranger), tokens["kim"])[0] == 200
        assert served.ask(served.context())[0] == 401
        for unproven in (old, forged):
            with pytest.raises((ssl.SSLError, ConnectionError, http.client.HTTPException)):
                served.ask(served.context(unproven), tokens["kim"])
        # The charter lets no authority say where somebody is.
        decided = served.ask(as_kim, address=NOWHERE, body=QUESTION)[1]
        assert decided["facts"]["context.country"] == ""
        own_precinct.run("staff", "revoke", name)
        status, problem = served.ask(as_kim)
        assert (status, problem["detail"]) == (401, f"credential {name} was ended")


ASKING = ("--dataset", "drafts", "--purpose", "engineering", "--hours", "1")


def test_a_certificate_says_where_somebody_is_whose_network_nobody_declared(
    own_precinct: Precinct, tmp_path: Path
) -> None:
    ours, theirs = Authority(tmp_path, "ours"), Authority(tmp_path, "theirs")
    digest = hashlib.sha256(ours.file.read_bytes()).hexdigest()
    charter, proposal = own_precinct.charter, tmp_path / "proposal"
    charter.write_text(f'{charter.read_text()}\n[certificates]\nauthorities_sha256 = "{digest}"\n')
    own_precinct.run("custody", "propose", "charter", "--out", str(proposal))
    own_precinct.run("custody", "enact", *own_precinct.sign(proposal, charter))
    there, two, none = ours.certify("a", "US"), ours.certify("b", "US", "SG"), ours.certify("c")
    token = own_precinct.token("kim")
    chain, key = certificate(tmp_path)
    key.chmod(0o600)
    words = ("serve", "--tls-cert", str(chain), "--tls-key", str(key))
    assert "are not the charter's: none" in own_precinct.refused(*words)
    assert "not the charter's" in own_precinct.refused(*words, "--tls-client-ca", str(theirs.file))
    with door(own_precinct, tmp_path, "--tls-client-ca", str(ours.file)) as served:

        def country(shown: Files | None, address: str) -> str:
            context = served.context(shown)
            status, decided = served.ask(context, token, address=address, body=QUESTION)
            assert status == 200
            return str(decided["facts"]["context.country"])

        assert country(there, NOWHERE) == "US"
        assert country(there, OFFICE) == "SG"
        assert country(two, NOWHERE) == country(none, NOWHERE) == country(None, NOWHERE) == ""


def test_half_of_it_or_a_key_that_others_read_is_refused(
    own_precinct: Precinct, tmp_path: Path
) -> None:
    chain, key = certificate(tmp_path)
    both = ("serve", "--tls-cert", str(chain), "--tls-key", str(key))
    key.chmod(0o644)
    assert "can be read by others" in own_precinct.refused(*both)
    key.chmod(0o600)
    assert "a certificate and its key" in own_precinct.refused(*both[:3])
    assert "a certificate and its key" in own_precinct.refused(both[0], *both[3:])
    assert "of the server itself" in own_precinct.refused("serve", "--tls-client-ca", str(chain))
    assert "authorities in" in own_precinct.refused(*both, "--tls-client-ca", str(key))
    key.write_text("no key")
    assert "cannot be used" in own_precinct.refused(*both)
    key.unlink()
    assert "cannot be used" in own_precinct.refused(*both)
