"""What only a root key in a transit engine can do wrong: tokens, TLS, redirects, trims."""

from __future__ import annotations

import json
import secrets
import ssl
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from domicile.custody.credential import EnvironmentCredential, FileCredential
from domicile.custody.root import RootWrapped
from domicile.custody.transit_connection import TransitConnection
from domicile.custody.transit_root import TransitRoot
from domicile.errors import (
    DomicileError,
    EvidenceError,
    SiteMissing,
    SiteRefused,
    SiteUnreachable,
    UsageError,
)
from tests.services.openbao import OpenBao, durable_openbao, raw, running_openbao

KEY = b"k" * 32
TOKEN = EnvironmentCredential("TOKEN", {"TOKEN": "planted-token"})


@pytest.fixture
def root(openbao: OpenBao) -> TransitRoot:
    return TransitRoot.create(openbao.connection(), "transit", f"root-{secrets.token_hex(4)}")


def test_a_wrong_token_is_refused_and_not_shown(openbao: OpenBao, root: TransitRoot) -> None:
    wrong = TransitRoot(openbao.connection("planted-wrong"), "transit", root._name)
    for act in (wrong.versions, wrong.rotate, lambda: wrong.wrap(KEY, b"")):
        with pytest.raises(SiteRefused, match="refuses the token in the variable TOKEN") as refused:
            act()
        assert "planted" not in "".join(traceback.format_exception(refused.value))


def test_a_token_that_may_only_wrap_and_unwrap_can_do_no_more(
    openbao: OpenBao, root: TransitRoot
) -> None:
    rules = {"keys": "read", "encrypt": "update", "decrypt": "update"}
    policy = "".join(
        f'path "transit/{path}/{root._name}" {{ capabilities = ["{may}"] }}\n'
        for path, may in rules.items()
    )
    admin = openbao.connection()
    admin.post(f"sys/policies/acl/{root._name}", {"policy": policy})
    made = admin._request("POST", "auth/token/create", {"policies": [root._name]})
    limited = TransitRoot(
        openbao.connection(json.loads(made)["auth"]["client_token"]), "transit", root._name
    )
    root.rotate()
    assert limited.unwrap([(limited.wrap(KEY, b"x"), b"x")]) == [KEY]
    for act in (limited.rotate, lambda: limited.destroy(1)):
        with pytest.raises(SiteRefused, match="may not"):
            act()
    assert root.versions() == (1, 2)


@pytest.mark.parametrize("token", ["two words", "line\nX-Other: 1", "ü"])
def test_what_can_be_no_token_is_not_sent(openbao: OpenBao, tmp_path: Path, token: str) -> None:
    path = tmp_path / "token"
    path.write_text(token)
    path.chmod(0o600)
    connection = TransitConnection(openbao.address, FileCredential(path))
    with pytest.raises(SiteRefused, match="is no token"):
        TransitRoot.open(connection, "transit", "any")


def test_versions_are_destroyed_oldest_first(root: TransitRoot) -> None:
    kept = root.wrap(KEY, b"")
    root.rotate()
    root.rotate()
    with pytest.raises(UsageError, match="older than 2: 1"):
        root.destroy(2)
    assert root.unwrap([(kept, b"")]) == [KEY]
    root.destroy(1)
    root.destroy(2)
    assert root.versions() == (3,)


def test_a_destruction_cut_off_in_the_middle_is_finished_by_repeating_it(
    root: TransitRoot,
) -> None:
    root.rotate()
    path = f"transit/keys/{root._name}/config"
    root._connection.post(path, {"min_decryption_version": 2, "min_encryption_version": 2})
    assert root.versions() == (2,)
    assert root._key().min_available_version == 0  # out of use, and still in the engine's archive
    root.destroy(1)
    assert root._key().min_available_version == 2
    with pytest.raises(SiteRefused):  # nobody brings it back
        root._connection.post(path, {"min_decryption_version": 1})


def test_settings_that_weaken_a_root_are_named_and_go_into_the_proof(root: TransitRoot) -> None:
    assert root.weaknesses() == ()
    weak = {"exportable": True, "allow_plaintext_backup": True, "deletion_allowed": True}
    root._connection.post(f"transit/keys/{root._name}/config", weak)
    named = " ".join(root.weaknesses())
    for word in ("exported", "plaintext", "deleted"):
        assert word in named
    root.rotate()
    assert "can be exported" in root.destroy(1).proves


@pytest.mark.parametrize("kind", [{"type": "chacha20-poly1305"}, {"derived": True}])
def test_a_key_of_another_kind_is_refused(openbao: OpenBao, kind: dict[str, object]) -> None:
    name = f"other-{secrets.token_hex(4)}"
    openbao.connection().post(f"transit/keys/{name}", kind)
    with pytest.raises(SiteRefused, match="is of type"):
        TransitRoot.open(openbao.connection(), "transit", name)


def test_a_root_that_vanished_is_not_made_anew_by_wrapping(root: TransitRoot) -> None:
    path = f"transit/keys/{root._name}"
    root._connection.post(f"{path}/config", {"deletion_allowed": True})
    root._connection._request("DELETE", path, None)
    for act in (lambda: root.wrap(KEY, b""), root.rotate, root.versions):
        with pytest.raises(SiteMissing):
            act()


def test_a_root_is_never_made_over_another(root: TransitRoot) -> None:
    with pytest.raises(UsageError, match="exists"):
        TransitRoot.create(root._connection, "transit", root._name)
    assert root.versions() == (1,)


@pytest.mark.parametrize("name", ["", "a/b", "../sys", "a b", "a?x", "é"])
def test_a_name_that_leads_elsewhere_is_refused(openbao: OpenBao, name: str) -> None:
    for mount, key in (("transit", name), (f"transit/{name}/x/..", "key")):
        with pytest.raises(UsageError, match="no transit key"):
            TransitRoot(openbao.connection(), mount, key)


def test_over_tls_only_the_named_authority_is_believed() -> None:
    with running_openbao(tls=True) as server:
        root = TransitRoot.create(server.connection(), "transit", "root")
        assert root.unwrap([(root.wrap(KEY, b""), b"")]) == [KEY]
        stranger = TransitConnection(server.address, TOKEN)
        with pytest.raises(SiteRefused, match="does not verify"):
            TransitRoot.open(stranger, "transit", "root")


def test_a_sealed_server_is_unreachable() -> None:
    with running_openbao() as server:
        root = TransitRoot.create(server.connection(), "transit", "root")
        server.connection().post("sys/seal", {})
        with pytest.raises(SiteUnreachable, match=r"sealed.*503"):
            root.versions()


def test_a_snapshot_restores_a_lost_root_and_a_destroyed_version_too() -> None:
    with durable_openbao() as server:
        root = TransitRoot.create(server.connection(), "transit", "root")
        kept = root.wrap(KEY, b"")
        snapshot = raw(server, "GET", "sys/storage/raft/snapshot")
        assert KEY not in snapshot
        root.rotate()
        assert "snapshots" in root.destroy(1).proves
        with pytest.raises(EvidenceError, match="no version 1"):
            root.unwrap([(kept, b"")])
        raw(server, "POST", "sys/storage/raft/snapshot", snapshot)
        assert patiently(lambda: root.unwrap([(kept, b"")])) == [KEY]


def patiently(act: Callable[[], list[bytes]]) -> list[bytes]:
    """A restored server takes a moment to serve what it restored."""
    for _ in range(100):
        try:
            return act()
        except DomicileError:
            time.sleep(0.1)
    return act()


@pytest.mark.parametrize(
    "address",
    [
        *("http://bao.example:8200", "https://user:pw@bao.example", "bao.example:8200", "https://"),
        *("https://bao.example/v1", "https://bao.example?x", "https://a b", "https://[::1", ""),
    ],
)
def test_an_address_that_would_show_the_token_is_refused(address: str) -> None:
    with pytest.raises(UsageError, match="address") as refused:
        TransitConnection(address, TOKEN)
    assert "pw" not in str(refused.value)


def test_an_authority_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("no certificate")
    for name in ("ca.pem", "missing.pem"):
        with pytest.raises(UsageError, match="CA file"):
            TransitConnection("https://bao.example", TOKEN, ca_file=tmp_path / name)


Answers = Callable[[BaseHTTPRequestHandler], None]


@contextmanager
def hostile(answers: Answers, timeout_s: float = 5) -> Iterator[TransitRoot]:
    """A root at a server that answers as it likes."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answers(self)

        def do_POST(self) -> None:
            answers(self)

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    connection = TransitConnection(
        f"http://127.0.0.1:{server.server_port}", TOKEN, timeout_s=timeout_s
    )
    try:
        yield TransitRoot(connection, "transit", "root")
    finally:
        server.shutdown()
        server.server_close()


def answer(status: int, body: bytes, **headers: str) -> Answers:
    def answers(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return answers


def test_no_redirect_is_followed(openbao: OpenBao) -> None:
    elsewhere = f"{openbao.address}/v1/transit/keys/x"
    for status in (301, 302, 303, 307, 308):
        with (
            hostile(answer(status, b"", Location=elsewhere)) as root,
            pytest.raises(SiteRefused, match="redirects"),
        ):
            root.versions()


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"{}", b"[]", b"null", b"<html>", b'{"data":null}', b'{"data":{"type":1}}', b"\xff"),
        b"[" * 100_000,
        json.dumps({"data": {"type": "aes256-gcm96", "latest_version": 1 << 31}}).encode(),
    ],
)
def test_an_answer_of_something_else_is_no_evidence(body: bytes) -> None:
    with hostile(answer(200, body)) as root, pytest.raises(EvidenceError, match="no transit"):
        root.versions()


@pytest.mark.parametrize(
    ("results", "error"),
    [
        ([], EvidenceError),
        ([{"plaintext": ""}], EvidenceError),
        ([{"plaintext": "!!!!"}], EvidenceError),
        ([{"plaintext": "QUJD"}], EvidenceError),
        ([{"plaintext": "QUJD"}] * 2, EvidenceError),
    ],
)
def test_an_opened_key_that_is_none_is_refused(
    results: list[dict[str, str]], error: type[DomicileError]
) -> None:
    body = json.dumps({"data": {"batch_results": results}}).encode()
    with hostile(answer(200, body)) as root, pytest.raises(error):
        root.unwrap([(RootWrapped(1, bytes(60)), b"")])


@pytest.mark.parametrize("status", [412, 429, 472, 473, 500, 502, 503])
def test_a_server_that_cannot_now_is_unreachable(status: int) -> None:
    with hostile(answer(status, b"{}")) as root, pytest.raises(SiteUnreachable, match=str(status)):
        root.wrap(KEY, b"")


def test_a_server_that_drips_is_left_waiting() -> None:
    def drip(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        for _ in range(100):
            time.sleep(0.05)
            try:
                handler.wfile.write(b" ")
            except OSError:
                return

    started = time.monotonic()
    with hostile(drip, timeout_s=0.3) as root, pytest.raises(SiteUnreachable, match=r"in 0\.3 s"):
        root.versions()
    assert time.monotonic() - started < 5


def test_an_answer_without_end_is_not_read_to_it() -> None:
    with (
        hostile(answer(200, b" " * (5 << 20))) as root,
        pytest.raises(SiteUnreachable, match="HTTPException"),
    ):
        root.versions()


def test_a_server_that_is_not_there_is_unreachable() -> None:
    root = TransitRoot(TransitConnection("http://127.0.0.1:9", TOKEN), "transit", "root")
    with pytest.raises(SiteUnreachable, match="ConnectionRefusedError"):
        root.versions()


def test_tls_is_never_old() -> None:
    tls = TransitConnection("https://bao.example", TOKEN)._tls
    assert tls is not None
    assert tls.minimum_version >= ssl.TLSVersion.TLSv1_2
    assert tls.verify_mode == ssl.CERT_REQUIRED
    assert tls.check_hostname
