"""A small OpenID provider on loopback: discovery and keys over real HTTP, tokens of any kind."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

__all__ = ["AUDIENCE", "Provider", "running_provider"]

AUDIENCE = "https://domicile.example/api"
DISCOVERY = "/.well-known/openid-configuration"
_RSA = [rsa.generate_private_key(65537, 2048) for _ in range(2)]


class Provider:
    """What it answers, by path: a status, headers and a body; and its keys, by their names."""

    def __init__(self, port: int) -> None:
        self.issuer = f"http://127.0.0.1:{port}"
        self.keys: dict[str, tuple[str, Any]] = {
            "r1": ("RS256", _RSA[0]),
            "e1": ("ES256", ec.generate_private_key(ec.SECP256R1())),
            "d1": ("EdDSA", ed25519.Ed25519PrivateKey.generate()),
        }
        self.answers: dict[str, tuple[int, dict[str, str], bytes]] = {}
        self.asked: list[str] = []
        self.pause_s = 0.0
        self.publish()

    def rotate(self) -> None:
        """A new key in place of the first."""
        del self.keys["r1"]
        self.keys["r2"] = "RS256", _RSA[1]
        self.publish()

    def publish(self) -> None:
        """Tell the keys as they are."""
        told = {"issuer": self.issuer, "jwks_uri": f"{self.issuer}/keys"}
        self.answer(DISCOVERY, told)
        self.answer("/keys", {"keys": [self.public(name) for name in self.keys]})

    def answer(self, path: str, body: object, status: int = 200, **headers: str) -> None:
        """Answer so from now on."""
        self.answers[path] = status, headers, json.dumps(body).encode()

    def public(self, name: str) -> dict[str, Any]:
        """One of its keys as it is told."""
        algorithm, key = self.keys[name]
        made: Any = jwt.get_algorithm_by_name(algorithm)
        told = json.loads(made.to_jwk(key.public_key()))
        return {**told, "kid": name, "alg": algorithm, "use": "sig"}

    def claims(self, **other: object) -> dict[str, object]:
        """What a good token says, or other things; None leaves one out."""
        now = int(time.time())
        usual = {"iss": self.issuer, "aud": AUDIENCE, "sub": "kim", "iat": now, "exp": now + 300}
        return {name: told for name, told in {**usual, **other}.items() if told is not None}

    def token(
        self, name: str = "r1", header: dict[str, Any] | None = None, /, **other: object
    ) -> str:
        """A token signed by one of the keys."""
        algorithm, key = self.keys[name]
        head = {"kid": name, "typ": "at+jwt", **(header or {})}
        return jwt.encode(self.claims(**other), key, algorithm, headers=head)


@contextmanager
def running_provider() -> Iterator[Provider]:
    """One, until the end."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.provider = provider = Provider(server.server_port)  # type: ignore[attr-defined]
    thread = Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield provider
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        provider: Provider = self.server.provider  # type: ignore[attr-defined]
        provider.asked.append(self.path)
        status, headers, body = provider.answers.get(self.path, (404, {}, b""))
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        if not provider.pause_s:
            self.wfile.write(body)
            return
        for byte in body:
            time.sleep(provider.pause_s)
            try:
                self.wfile.write(bytes([byte]))
            except OSError:
                return

    def log_message(self, *_: object) -> None:
        """Nothing."""
