"""A double of OCI Key Management on loopback, after the published API (version 20180608).

It is ours, not Oracle's: it shows that requests are signed as published (RSA-SHA256 over date,
request-target, host, and length, type and SHA-256 of a body) and that what the API promises is
understood. It keeps real AES-GCM keys, so what does not open there opens nowhere.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import importlib.util
import json
import os
import re
import secrets
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256

from domicile.custody.oci_connection import OciConnection
from tests.services import unavailable

Body = dict[str, object]
TENANCY, USER = "ocid1.tenancy.oc1..planted", "ocid1.user.oc1..planted"
FINGERPRINT = "20:3b:97:13:55:1c:5b:0d:d3:37:d8:50:4e:c5:3a:34"
ALWAYS_SIGNED = {"date", "(request-target)", "host"}
SIGNED_WITH_A_BODY = ALWAYS_SIGNED | {"content-length", "content-type", "x-content-sha256"}
PAGE = 2


class Rejected(Exception):
    def __init__(self, status: int, code: str) -> None:
        super().__init__(code)
        self.status, self.code = status, code


@dataclass
class Version:
    ocid: str
    created: datetime
    key: AESGCM
    state: str = "CREATING"
    deletion: datetime | None = None


@dataclass
class Key:
    ocid: str
    versions: list[Version] = field(default_factory=list)
    protection_mode: str = "HSM"
    length: int = 32


@dataclass
class Vault:
    """What the double knows. It is on the clock of the test."""

    public: rsa.RSAPublicKey
    keys: dict[str, Key] = field(default_factory=dict)
    clock: timedelta = timedelta()
    created: datetime = datetime(2026, 1, 1, tzinfo=UTC)
    refused_signatures: int = 0

    def now(self) -> datetime:
        return datetime.now(UTC) + self.clock

    def make_key(self) -> Key:
        key = Key(f"ocid1.key.oc1.iad.vault.{secrets.token_hex(20)}")
        self.keys[key.ocid] = key
        self.add_version(key).state = "ENABLED"
        return key

    def add_version(self, key: Key) -> Version:
        self.created += timedelta(seconds=1)
        ocid = f"ocid1.keyversion.oc1.iad.vault.{secrets.token_hex(20)}"
        key.versions.append(Version(ocid, self.created, AESGCM(AESGCM.generate_key(256))))
        return key.versions[-1]


@dataclass(frozen=True)
class OciVault:
    address: str
    vault: Vault
    config_file: Path
    secrets: tuple[bytes, ...]

    def connection(self, config_file: Path | None = None, timeout_s: float = 10) -> OciConnection:
        config = config_file or self.config_file
        return OciConnection(self.address, self.address, config, timeout_s=timeout_s)


@pytest.fixture
def oci_vault(tmp_path: Path) -> Iterator[OciVault]:
    """A vault and a user who may do everything in it."""
    if importlib.util.find_spec("oci") is None:
        unavailable("Oracle's SDK", "make services")
    with running_oci_vault(tmp_path) as vault:
        yield vault


@contextmanager
def running_oci_vault(directory: Path) -> Iterator[OciVault]:
    private = rsa.generate_private_key(65537, 2048)
    vault = Vault(private.public_key())
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"vault": vault}))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    config = write_config(directory, private)
    planted = tuple(
        line.encode() for line in config.with_name("key.pem").read_text().split("\n")[1:3]
    )
    try:
        yield OciVault(f"http://127.0.0.1:{server.server_port}", vault, config, planted)
    finally:
        server.shutdown()
        server.server_close()


def write_config(directory: Path, private: rsa.RSAPrivateKey) -> Path:
    """A config file of the SDK, and the key file that it names."""
    key_file, config = directory / "key.pem", directory / "config"
    key_file.write_bytes(
        private.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    config.write_text(
        f"[DEFAULT]\nuser={USER}\nfingerprint={FINGERPRINT}\ntenancy={TENANCY}\n"
        f"region=us-ashburn-1\nkey_file={key_file}\nlog_requests=true\n"
    )
    for path in (key_file, config):
        path.chmod(0o600)
    return config


class Handler(BaseHTTPRequestHandler):
    vault: Vault
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # an answer in one piece

    def log_message(self, *_: object) -> None: ...

    def do_GET(self) -> None:
        self._serve(b"")

    def do_POST(self) -> None:
        self._serve(self.rfile.read(int(self.headers.get("content-length", 0))))

    def _serve(self, body: bytes) -> None:
        headers: dict[str, str] = {}
        try:
            self._check_signature(body)
            asked = json.loads(body) if body else {}
            answer, headers = route(self.vault, self.command, self.path, asked)
            status = 200
        except Rejected as error:
            status, answer = error.status, {"code": error.code, "message": "planted in the double"}
        data = json.dumps(answer).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("opc-request-id", secrets.token_hex(8))
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _check_signature(self, body: bytes) -> None:
        try:
            check_signature(self, body)
        except (Rejected, KeyError, ValueError, InvalidSignature):
            self.vault.refused_signatures += 1
            raise Rejected(401, "NotAuthenticated") from None


def check_signature(request: Handler, body: bytes) -> None:
    """OCI's "request signatures", version 1."""
    scheme, _, rest = request.headers["authorization"].partition(" ")
    fields = dict(re.findall(r'(\w+)="([^"]*)"', rest))
    names = fields["headers"].split()
    needed = SIGNED_WITH_A_BODY if request.command == "POST" else ALWAYS_SIGNED
    expected = {
        "algorithm": "rsa-sha256",
        "version": "1",
        "keyId": f"{TENANCY}/{USER}/{FINGERPRINT}",
    }
    if scheme != "Signature" or not needed <= set(names) or not expected.items() <= fields.items():
        raise Rejected(401, "NotAuthenticated")
    target = f"{request.command.lower()} {request.path}"
    values = {"(request-target)": target, **{n.lower(): v for n, v in request.headers.items()}}
    signed = "\n".join(f"{name}: {values[name]}" for name in names)
    request.vault.public.verify(
        base64.b64decode(fields["signature"], validate=True),
        signed.encode(),
        padding.PKCS1v15(),
        SHA256(),
    )
    if abs(parsedate_to_datetime(values["date"]) - request.vault.now()) > timedelta(minutes=5):
        raise Rejected(401, "NotAuthenticated")
    if request.command == "POST":
        digest = base64.b64encode(hashlib.sha256(body).digest()).decode()
        if values["x-content-sha256"] != digest or values["content-length"] != str(len(body)):
            raise Rejected(401, "NotAuthenticated")


def route(vault: Vault, method: str, path: str, asked: Body) -> tuple[object, dict[str, str]]:
    path, _, query = path.partition("?")
    match (method, *path.strip("/").split("/")):
        case ("POST", "20180608", "encrypt"):
            return encrypt(vault, asked), {}
        case ("POST", "20180608", "decrypt"):
            return decrypt(vault, asked), {}
        case ("GET", "20180608", "keys", key):
            return key_of(find(vault, key)), {}
        case ("GET", "20180608", "keys", key, "keyVersions"):
            return listed(vault, find(vault, key), query)
        case ("POST", "20180608", "keys", key, "keyVersions"):
            found = find(vault, key)
            return version_of(found, vault.add_version(found)), {}
        case ("POST", "20180608", "keys", key, "keyVersions", version, "actions", act):
            if act != "scheduleDeletion":
                raise Rejected(404, "NotAuthorizedOrNotFound")
            found = find(vault, key)
            return version_of(found, schedule(vault, found, version, asked)), {}
    raise Rejected(404, "NotAuthorizedOrNotFound")


def find(vault: Vault, key: object) -> Key:
    if key not in vault.keys:
        raise Rejected(404, "NotAuthorizedOrNotFound")
    return vault.keys[str(key)]


def usable(vault: Vault, asked: Body) -> Version:
    key = find(vault, asked["keyId"])
    ocid = asked.get("keyVersionId") or key.versions[-1].ocid
    version = next((each for each in key.versions if each.ocid == ocid), None)
    if version is None:
        raise Rejected(404, "NotAuthorizedOrNotFound")
    if version.state != "ENABLED":
        raise Rejected(409, "IncorrectState")
    return version


def associated(asked: Body) -> bytes:
    data = json.dumps(asked.get("associatedData"), sort_keys=True)
    if len(data) > 1000:
        raise Rejected(400, "InvalidParameter")
    return data.encode()


def encrypt(vault: Vault, asked: Body) -> Body:
    version, nonce = usable(vault, asked), os.urandom(12)
    plain = base64.b64decode(str(asked["plaintext"]), validate=True)
    sealed = nonce + version.key.encrypt(nonce, plain, associated(asked))
    return {
        "ciphertext": "I" + base64.b64encode(b"\0\0" + sealed).decode(),
        "keyId": asked["keyId"],
        "keyVersionId": version.ocid,
        "encryptionAlgorithm": "AES_256_GCM",
    }


def decrypt(vault: Vault, asked: Body) -> Body:
    version, text = usable(vault, asked), str(asked["ciphertext"])
    try:
        data = base64.b64decode(text[1:], validate=True)
        # Stricter than some: no other spelling of the same bytes, which would open the same key.
        if text != "I" + base64.b64encode(data).decode() or data[:2] != b"\0\0":
            raise Rejected(400, "InvalidParameter")
        plain = version.key.decrypt(data[2:14], data[14:], associated(asked))
    except (binascii.Error, InvalidTag, ValueError):
        raise Rejected(400, "InvalidParameter") from None
    return {
        "plaintext": base64.b64encode(plain).decode(),
        "plaintextChecksum": str(binascii.crc32(plain)),
        "keyId": asked["keyId"],
        "keyVersionId": version.ocid,
        "encryptionAlgorithm": "AES_256_GCM",
    }


def schedule(vault: Vault, key: Key, ocid: str, asked: Body) -> Version:
    version = next((each for each in key.versions if each.ocid == ocid), None)
    if version is None:
        raise Rejected(404, "NotAuthorizedOrNotFound")
    if version.state != "ENABLED":
        raise Rejected(409, "IncorrectState")
    when = datetime.fromisoformat(str(asked["timeOfDeletion"]))
    if not timedelta(days=7) <= when - vault.now() <= timedelta(days=30):
        raise Rejected(400, "InvalidParameter")
    version.state, version.deletion = "PENDING_DELETION", when
    return version


def listed(vault: Vault, key: Key, query: str) -> tuple[list[Body], dict[str, str]]:
    """Newest first, as the service orders by default, a page at a time."""
    match = re.search(r"page=(\d+)", query)
    start = int(match[1]) if match else 0
    newest = sorted(key.versions, key=lambda each: each.created, reverse=True)
    page = [version_of(key, each) for each in newest[start : start + PAGE]]
    for each in newest:
        if each.state == "CREATING":
            each.state = "ENABLED"  # the next time that somebody looks
        if each.deletion is not None and each.deletion <= vault.now():
            each.state = "DELETED"
    more = start + PAGE < len(newest)
    return page, {"opc-next-page": str(start + PAGE)} if more else {}


def version_of(key: Key, version: Version) -> Body:
    return {
        "compartmentId": "ocid1.compartment.oc1..planted",
        "id": version.ocid,
        "keyId": key.ocid,
        "lifecycleState": version.state,
        "origin": "INTERNAL",
        "timeCreated": version.created.isoformat(timespec="milliseconds"),
        "timeOfDeletion": version.deletion and version.deletion.isoformat(timespec="milliseconds"),
        "vaultId": "ocid1.vault.oc1..planted",
    }


def key_of(key: Key) -> Body:
    shape: Mapping[str, object] = {"algorithm": "AES", "length": key.length}
    return {
        "compartmentId": "ocid1.compartment.oc1..planted",
        "currentKeyVersion": key.versions[-1].ocid,
        "displayName": "custodian",
        "id": key.ocid,
        "keyShape": shape,
        "protectionMode": key.protection_mode,
        "lifecycleState": "ENABLED",
        "timeCreated": key.versions[0].created.isoformat(timespec="milliseconds"),
        "vaultId": "ocid1.vault.oc1..planted",
    }
