from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st

from domicile.erase.certificate import PAYLOAD_TYPE, certificate_id, envelope, pae
from domicile.erase.certify import unsigned
from domicile.ledger import FileSigner
from tests.report.world import certificate

CERTIFICATE = certificate("old-db")


@dataclass(frozen=True)
class Signed:
    """An envelope as it lies in its file, and the public key that the ledger goes by."""

    data: bytes
    key: Ed25519PublicKey

    def verify(self, document: dict[str, object]) -> None:
        """As any reader of DSSE does; written out here, and not taken from the code."""
        payload = base64.b64decode(str(document["payload"]), validate=True)
        kind = str(document["payloadType"]).encode()
        message = b" ".join(
            [b"DSSEv1", str(len(kind)).encode(), kind, str(len(payload)).encode(), payload]
        )
        (signature,) = document["signatures"]  # type: ignore[misc]
        self.key.verify(base64.b64decode(signature["sig"]), message)  # type: ignore[has-type]


@pytest.fixture(scope="module")
def signed(tmp_path_factory: pytest.TempPathFactory) -> Signed:
    """A certificate, signed by a ledger's key."""
    path: Path = tmp_path_factory.mktemp("keys") / "ledger.key"
    signer = FileSigner.create_or_load(path, "domicile.invalid/us")
    public = base64.b64decode(signer.vkey.split("+", 2)[2])[1:]
    document = envelope(CERTIFICATE, signer.vkey, signer.sign)
    assert document["signatures"][0]["keyid"] == signer.vkey  # type: ignore[index]
    data = msgspec.json.format(msgspec.json.encode(document))
    return Signed(data, Ed25519PublicKey.from_public_bytes(public))


def test_what_is_signed_is_the_specifications_example() -> None:
    """github.com/secure-systems-lab/dsse, protocol.md."""
    assert pae("http://example.com/HelloWorld", b"hello world") == (
        b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    )


@given(st.text(max_size=8), st.binary(max_size=8), st.text(max_size=8), st.binary(max_size=8))
def test_different_contents_are_never_signed_alike(
    one: str, first: bytes, two: str, second: bytes
) -> None:
    try:
        same = pae(one, first) == pae(two, second)
    except UnicodeEncodeError:
        return
    assert same == ((one, first) == (two, second))


def test_lengths_count_bytes() -> None:
    assert pae("ü", "ü€".encode()) == b"DSSEv1 2 \xc3\xbc 5 \xc3\xbc\xe2\x82\xac"


def test_the_signature_verifies_with_the_ledgers_key(signed: Signed) -> None:
    document = json.loads(signed.data)
    assert document["payloadType"] == PAYLOAD_TYPE
    signed.verify(document)
    assert unsigned(signed.data) == CERTIFICATE


def test_the_payload_is_canonical_json_with_every_field(signed: Signed) -> None:
    payload = base64.b64decode(json.loads(signed.data)["payload"])
    fields = json.loads(payload)
    assert set(fields) == set(CERTIFICATE.__struct_fields__)
    assert (
        payload
        == json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    )


@given(at=st.integers(0), flip=st.integers(1, 255))
def test_no_byte_of_the_payload_can_be_changed(signed: Signed, at: int, flip: int) -> None:
    document = json.loads(signed.data)
    payload = bytearray(base64.b64decode(document["payload"]))
    payload[at % len(payload)] ^= flip
    with pytest.raises(InvalidSignature):
        signed.verify(document | {"payload": base64.b64encode(payload).decode()})


def test_the_payloads_type_cannot_be_changed(signed: Signed) -> None:
    document = json.loads(signed.data)
    with pytest.raises(InvalidSignature):
        signed.verify(document | {"payloadType": PAYLOAD_TYPE.replace("erasure", "erasurf")})


def test_another_claim_has_another_signature(signed: Signed, tmp_path: Path) -> None:
    other = FileSigner.create_or_load(tmp_path / "other.key", "domicile.invalid/us")
    document = envelope(CERTIFICATE, other.vkey, other.sign)
    with pytest.raises(InvalidSignature):
        signed.verify(document)


def test_a_certificates_name_depends_on_run_site_and_what_the_ledger_held() -> None:
    names = {
        certificate_id(run, site, root)
        for run in ("one", "two")
        for site in ("old-db", "old-media")
        for root in ("ab", "cd")
    }
    assert len(names) == 8
    assert all(len(name) == 16 for name in names)
    assert certificate_id("one", "old-db", "ab") == certificate_id("one", "old-db", "ab")
