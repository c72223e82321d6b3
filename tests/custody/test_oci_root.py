"""What only a root key in OCI Vault can do wrong, against a double: it has not met the service."""

from __future__ import annotations

import base64
import functools
import http.client
import json
import subprocess
import sys
import time
import traceback
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from domicile.custody.oci_connection import OciConnection
from domicile.custody.oci_root import OciRoot
from domicile.errors import (
    DomicileError,
    EvidenceError,
    SiteRefused,
    SiteUnreachable,
    UsageError,
)
from tests.services import oci_vault as double
from tests.services.oci_vault import OciVault, Rejected, Version, write_config

KEY = b"k" * 32


@pytest.fixture
def root(oci_vault: OciVault) -> OciRoot:
    return OciRoot.open(oci_vault.connection(), oci_vault.vault.make_key().ocid)


def versions_of(root: OciRoot, vault: OciVault) -> list[Version]:
    return vault.vault.keys[root._key_ocid].versions


def test_the_double_takes_no_request_that_is_not_signed_as_published(oci_vault: OciVault) -> None:
    body = json.dumps({"keyId": "x"}).encode()
    signed = ("(request-target)", "date", "host", "content-length", "content-type")
    date = format_datetime(datetime.now(UTC), usegmt=True)
    fields = {
        "headers": " ".join((*signed, "x-content-sha256")),
        "keyId": f"{double.TENANCY}/{double.USER}/{double.FINGERPRINT}",
        "algorithm": "rsa-sha256",
        "signature": base64.b64encode(bytes(256)).decode(),
        "version": "1",
    }
    forged = "Signature " + ",".join(f'{name}="{value}"' for name, value in fields.items())
    for authorization in ("", "Bearer x", forged):
        connection = http.client.HTTPConnection(oci_vault.address.removeprefix("http://"))
        headers = {"date": date, "content-type": "application/json", "authorization": authorization}
        connection.request("POST", "/20180608/encrypt", body, headers)
        assert connection.getresponse().status == 401
        connection.close()
    assert oci_vault.vault.refused_signatures == 3


def test_a_signature_of_another_key_is_refused(
    oci_vault: OciVault, root: OciRoot, tmp_path: Path
) -> None:
    (tmp_path / "other").mkdir()
    config = write_config(tmp_path / "other", rsa.generate_private_key(65537, 2048))
    with pytest.raises(SiteRefused, match="signature"):
        OciRoot.open(oci_vault.connection(config), root._key_ocid)
    assert oci_vault.vault.refused_signatures == 1


def test_a_clock_that_is_off_is_refused(oci_vault: OciVault, root: OciRoot) -> None:
    oci_vault.vault.clock = timedelta(minutes=6)
    with pytest.raises(SiteRefused, match="the clock"):
        root.versions()


def test_a_destruction_is_pending_until_its_date_and_then_done(
    oci_vault: OciVault, root: OciRoot
) -> None:
    kept = root.wrap(KEY, b"")
    root.rotate()
    before = datetime.now(UTC)
    pending = root.destroy(kept.version)
    assert pending.pending_until is not None
    assert timedelta(days=7) < pending.pending_until - before < timedelta(days=7, hours=2)
    assert "whoever may can cancel" in pending.proves
    with pytest.raises(EvidenceError, match="no version"):
        root.unwrap([(kept, b"")])
    versions_of(root, oci_vault)[0].deletion = datetime.now(UTC)  # its date has come
    root.versions()
    done = root.destroy(kept.version)
    assert done.pending_until is None
    assert "deleted" in done.proves
    assert "not examined" in done.proves


def test_a_destruction_that_was_cancelled_opens_again(oci_vault: OciVault, root: OciRoot) -> None:
    kept = root.wrap(KEY, b"")
    root.rotate()
    root.destroy(kept.version)
    versions_of(root, oci_vault)[0].state = "ENABLED"
    assert kept.version in root.versions()
    assert root.unwrap([(kept, b"")]) == [KEY]


def test_a_version_that_the_service_forgot_is_not_said_to_be_destroyed(
    oci_vault: OciVault, root: OciRoot
) -> None:
    (first,) = root.versions()
    root.rotate()
    versions_of(root, oci_vault).pop(0)
    with pytest.raises(EvidenceError, match=f"no version {first}"):
        root.destroy(first)


def test_many_versions_are_listed_over_pages_in_order(oci_vault: OciVault, root: OciRoot) -> None:
    made = [*root.versions(), *(root.rotate() for _ in range(4))]
    assert root.versions() == tuple(made)
    assert sorted(set(made)) == made
    assert len(versions_of(root, oci_vault)) == 5 > 2 * double.PAGE


def test_a_list_without_end_is_not_followed(root: OciRoot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(double, "listed", lambda *_: ([], {"opc-next-page": "0"}))
    with pytest.raises(EvidenceError, match="answers what"):
        root.versions()


def test_two_versions_of_one_instant_are_not_told_apart_by_guessing(
    oci_vault: OciVault, root: OciRoot
) -> None:
    root.rotate()
    first, second = versions_of(root, oci_vault)
    second.created = first.created
    with pytest.raises(EvidenceError):
        root.wrap(KEY, b"")


def test_a_key_in_software_is_named(oci_vault: OciVault, root: OciRoot) -> None:
    assert root.weaknesses() == ()
    oci_vault.vault.keys[root._key_ocid].protection_mode = "SOFTWARE"
    assert "can be exported" in root.weaknesses()[0]


def test_a_shorter_key_or_none_is_refused(oci_vault: OciVault, root: OciRoot) -> None:
    oci_vault.vault.keys[root._key_ocid].length = 16
    with pytest.raises(SiteRefused, match="AES of 16"):
        OciRoot.open(oci_vault.connection(), root._key_ocid)
    with pytest.raises(SiteRefused, match="no such key"):
        OciRoot.open(oci_vault.connection(), "ocid1.key.oc1..other")


@pytest.mark.parametrize(
    ("status", "error"),
    [
        *((401, SiteRefused), (403, SiteRefused), (404, SiteRefused), (409, SiteRefused)),
        *((429, SiteUnreachable), (500, SiteUnreachable), (503, SiteUnreachable)),
        (400, SiteRefused),
    ],
)
def test_what_the_service_answers_tells_who_must_act(
    root: OciRoot, monkeypatch: pytest.MonkeyPatch, status: int, error: type[DomicileError]
) -> None:
    def refuse(*_: object) -> None:
        raise Rejected(status, "Planted")

    monkeypatch.setattr(double, "route", refuse)
    with pytest.raises(error) as raised:
        root.wrap(KEY, b"")
    assert "planted" not in "".join(traceback.format_exception(raised.value)).lower()


def test_a_slow_service_is_left_waiting(
    oci_vault: OciVault, root: OciRoot, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(*_: object) -> None:
        time.sleep(2)
        raise Rejected(500, "TooLate")

    monkeypatch.setattr(double, "route", slow)
    hasty = OciRoot(oci_vault.connection(timeout_s=0.3), root._key_ocid)
    started = time.monotonic()
    with pytest.raises(SiteUnreachable):
        hasty.versions()
    assert time.monotonic() - started < 2


def test_a_service_that_is_not_there_is_unreachable(oci_vault: OciVault) -> None:
    nowhere = "http://127.0.0.1:9"
    connection = OciConnection(nowhere, nowhere, oci_vault.config_file)
    with pytest.raises(SiteUnreachable, match="does not answer"):
        OciRoot.open(connection, "ocid1.key.oc1..x")


def test_an_answer_of_something_else_is_no_evidence(
    root: OciRoot, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers: list[object] = [[{}], [{"timeCreated": "yesterday"}], {"a": 1}, "x", 7]
    for answer in answers:
        monkeypatch.setattr(
            double, "listed", functools.partial(lambda given, *_: (given, {}), answer)
        )
        with pytest.raises(EvidenceError, match="answers what"):
            root.versions()


def test_plain_http_to_elsewhere_is_refused(oci_vault: OciVault) -> None:
    elsewhere = "http://kms.example"
    for pair in ((elsewhere, oci_vault.address), (oci_vault.address, elsewhere)):
        with pytest.raises(UsageError, match="address"):
            OciConnection(*pair, oci_vault.config_file)


def test_a_config_that_others_can_read_or_that_names_nothing_is_refused(
    oci_vault: OciVault, root: OciRoot
) -> None:
    def opened() -> None:
        OciRoot.open(oci_vault.connection(), root._key_ocid)

    key_file = oci_vault.config_file.with_name("key.pem")
    for path in (oci_vault.config_file, key_file):
        path.chmod(0o644)
        with pytest.raises(SiteRefused, match="others can read"):
            opened()
        path.chmod(0o600)
    opened()
    key_file.write_text("no key")
    with pytest.raises(SiteRefused, match="cannot be asked"):
        opened()
    oci_vault.config_file.unlink()
    with pytest.raises(SiteRefused, match="ConfigFileNotFound"):
        opened()


def test_a_forked_child_makes_connections_of_its_own(oci_vault: OciVault, root: OciRoot) -> None:
    script = f"""
import os
from pathlib import Path
from domicile.custody.oci_connection import OciClients, OciConnection
from domicile.custody.oci_root import OciRoot
from tests.custody.forks import OnlyIn, in_child

address, config = {oci_vault.address!r}, Path({str(oci_vault.config_file)!r})
root = OciRoot.open(OciConnection(address, address, config), {root._key_ocid!r})
kept = root.wrap({KEY!r}, b"")
clients = root._connection._clients
clients[os.getpid()] = OciClients(*map(OnlyIn, clients[os.getpid()]))
print(in_child(lambda: root.unwrap([(kept, b"")])))
"""
    done = subprocess.run(  # in a process of its own: the double's threads are in this one
        [sys.executable, "-c", script],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert done.stdout.strip() == repr([KEY])
