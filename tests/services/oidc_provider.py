"""A real OpenID provider for the tests: oidc-provider on Node, in memory, on loopback."""

from __future__ import annotations

import http.client
import json
import secrets
import shutil
import subprocess
import sys
from base64 import b64encode
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode, urlsplit

from tests.services import unavailable

__all__ = ["AUDIENCE", "OidcProvider", "running_oidc_provider"]

AUDIENCE = "https://domicile.example/api"
_HERE = Path(__file__).parent / "oidc"


@dataclass(frozen=True)
class OidcProvider:
    """A running provider, and the secret of its clients."""

    issuer: str
    secret: str

    def token(self, client: str, resource: str = AUDIENCE) -> str:
        """An access token of a client's, for an audience."""
        with closing(http.client.HTTPConnection(urlsplit(self.issuer).netloc, timeout=30)) as asked:
            body = urlencode({"grant_type": "client_credentials", "resource": resource})
            login = b64encode(f"{client}:{self.secret}".encode()).decode()
            headers = {
                "authorization": f"Basic {login}",
                "content-type": "application/x-www-form-urlencoded",
            }
            asked.request("POST", "/token", body, headers)
            answer = asked.getresponse()
            told = json.loads(answer.read())
        assert answer.status == 200, told
        return str(told["access_token"])


@contextmanager
def running_oidc_provider(*clients: str) -> Iterator[OidcProvider]:
    """One that knows these clients, until the end."""
    ours = Path(sys.executable).with_name("node")
    node = str(ours) if ours.exists() else shutil.which("node")
    if node is None or not (_HERE / "node_modules").is_dir():
        unavailable("oidc-provider", "make services")
    secret = secrets.token_hex(12)
    words = [node, "provider.mjs", AUDIENCE, secret, *clients]
    with subprocess.Popen(
        words, cwd=_HERE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        try:
            assert process.stdout is not None
            yield OidcProvider(process.stdout.readline().strip(), secret)
        finally:
            process.terminate()
