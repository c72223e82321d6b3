"""The server with TLS: tokens travel under it, and a certificate makes nobody known."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from tests.ledger.test_witness import certificate
from tests.policy.precinct import Precinct


def ask(port: int, context: ssl.SSLContext, token: str, **headers: str) -> int:
    connection = http.client.HTTPSConnection("localhost", port, timeout=30, context=context)
    with closing(connection):
        sent = {"authorization": f"Bearer {token}", **headers}
        connection.request("GET", "/v1/requests", headers=sent)
        return connection.getresponse().status


def test_a_token_is_good_under_tls_and_headers_about_certificates_are_nothing(
    own_precinct: Precinct, tmp_path: Path
) -> None:
    chain, key = certificate(tmp_path)
    key.chmod(0o600)
    token = own_precinct.token("kim")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    words = ["serve", "--charter", str(own_precinct.charter), "--port", str(port)]
    words += ["--tls-cert", str(chain), "--tls-key", str(key)]
    process = subprocess.Popen([sys.executable, "-m", "domicile", *words])
    try:
        context = ssl.create_default_context(cafile=chain)
        deadline = time.monotonic() + 60
        while True:
            try:
                assert ask(port, context, token) == 200
                break
            except ConnectionRefusedError:
                assert process.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.1)
        header = {
            "x-client-cert": "kim",
            "x-ssl-client-s-dn": "CN=kim",
            "x-ssl-client-verify": "ok",
        }
        assert ask(port, context, "", **header) == 401
        old = ssl.create_default_context(cafile=chain)
        old.maximum_version = ssl.TLSVersion.TLSv1_2
        with pytest.raises((ssl.SSLError, ConnectionError)):
            ask(port, old, token)
        with socket.create_connection(("127.0.0.1", port), 30) as plain:
            plain.sendall(b"GET /healthy HTTP/1.1\r\nHost: h\r\n\r\n")
            assert b"HTTP/1.1 200" not in plain.recv(1000)
    finally:
        os.kill(process.pid, signal.SIGTERM)
        assert process.wait(60) == 0


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
    key.write_text("no key")
    assert "cannot be used" in own_precinct.refused(*both)
    key.unlink()
    assert "cannot be used" in own_precinct.refused(*both)
