"""Where the root of a boundary's keys lies: what the charter takes, and what it refuses."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

import pytest

from domicile.charter import FileKeys, KeysConfig, OciKeys, Pkcs11Keys, TransitKeys, parse_charter
from domicile.errors import CharterError

TODAY = date(2026, 6, 1)
HEADER = "\n[boundaries.us.keys]\n"
FILE = 'root = "file"\npath = "/custody/root"\npassphrase_env = "PASSPHRASE"\n'
TOKEN = (
    'root = "pkcs11"\nmodule = "/usr/lib/hsm.so"\ntoken_label = "custodian"\nkey_label = "us"\n'
    'pin_file = "pin"\n'
)
TRANSIT = 'root = "transit"\nurl = "https://bao.example:8200"\nkey = "us"\ntoken_env = "TOKEN"\n'
OCI = (
    'root = "oci"\nkey = "ocid1.key.oc1.iad.vault.abc"\n'
    'crypto_endpoint = "https://v-crypto.kms.example"\n'
    'management_endpoint = "https://v-management.kms.example"\n'
)


def keys(text: str, section: str) -> KeysConfig | None:
    loaded = parse_charter(text + HEADER + section, "domicile.toml", today=TODAY)
    (boundary,) = loaded.charter.boundaries.values()
    return boundary.keys


def refusal(text: str, section: str, base: Path | None = None) -> str:
    with pytest.raises(CharterError) as caught:
        parse_charter(text + HEADER + section, "domicile.toml", today=TODAY, base=base)
    return str(caught.value)


def test_each_keeper_is_read(text: str) -> None:
    assert keys(text, FILE) == FileKeys(
        root="file", path="/custody/root", passphrase_env="PASSPHRASE"
    )
    assert keys(text, TOKEN) == Pkcs11Keys(
        root="pkcs11",
        module="/usr/lib/hsm.so",
        token_label="custodian",
        key_label="us",
        pin_file="pin",
    )
    assert keys(text, TRANSIT) == TransitKeys(
        root="transit",
        url="https://bao.example:8200",
        mount="transit",
        key="us",
        token_env="TOKEN",
    )
    assert keys(text, OCI) == OciKeys(
        root="oci",
        key="ocid1.key.oc1.iad.vault.abc",
        crypto_endpoint="https://v-crypto.kms.example",
        management_endpoint="https://v-management.kms.example",
    )


def test_without_the_section_no_root_is_named(text: str) -> None:
    (boundary,) = parse_charter(text, "domicile.toml", today=TODAY).charter.boundaries.values()
    assert boundary.keys is None


@pytest.mark.parametrize(
    ("section", "before", "after", "message"),
    [
        (FILE, 'root = "file"\n', "", "keys.root: where the root lies is not given"),
        (FILE, '"file"', '"hsm"', 'unknown root; expected: "file" or "oci" or "pkcs11"'),
        (FILE, 'path = "/custody/root"\n', "", "keys.path: is missing"),
        (FILE, "/custody/root", "", "keys.path: is not what is expected here"),
        (FILE, 'passphrase_env = "PASSPHRASE"\n', "", "keys.passphrase_env: is missing"),
        (FILE, '"PASSPHRASE"\n', '"P"\npassphrase_file = "p"\n', "second way to the same secret"),
        (FILE, "passphrase_env", "passfrase_env", "did you mean `passphrase_env`?"),
        (FILE, "passphrase_env", "pasphrase", "did you mean `passphrase_env`?"),
        (FILE, "passphrase_env", "token_env", "one of passphrase_env, passphrase_file, path"),
        (FILE, '"PASSPHRASE"', '"a b"', "the name of an environment variable"),
        (TOKEN, '"custodian"', '"' + "x" * 33 + '"', "at most 32 characters"),
        (TOKEN, 'key_label = "us"', 'key_label = "us/1"', "a label without /"),
        (TOKEN, 'pin_file = "pin"\n', "", "keys.pin_env: is missing"),
        (TRANSIT, "https://bao.example:8200", "http://bao.example", "send data in the clear"),
        (TRANSIT, "https://bao.example:8200", "https://bao.example/v1", "after host and port"),
        (TRANSIT, "https://bao.example:8200", "bao.example", "is not an endpoint"),
        (TRANSIT, 'key = "us"', 'key = "../us"', "the name of a transit key"),
        (TRANSIT, 'key = "us"', 'key = "us"\nmount = "/transit"', "where an engine is mounted"),
        (TRANSIT, 'token_env = "TOKEN"\n', "", "keys.token_env: is missing"),
        (OCI, "ocid1.key.oc1", "ocid1.vault.oc1", "the OCID of a key"),
        (OCI, "https://v-crypto", "http://v-crypto", "keys.crypto_endpoint: would send"),
        (OCI, "https://v-management", "ftp://v-management", "keys.management_endpoint: is not"),
    ],
)
def test_what_is_no_root_is_refused_at_its_key(
    text: str, section: str, before: str, after: str, message: str
) -> None:
    assert before in section
    said = refusal(text, section.replace(before, after, 1))
    assert message in said
    found = re.match(r"domicile\.toml:(\d+): boundaries\.us\.keys\.", said)
    assert found is not None
    assert int(found[1]) > text.count("\n") + 1


@pytest.mark.parametrize(
    ("section", "before", "after"),
    [
        (FILE, 'passphrase_env = "PASSPHRASE"', 'passphrase = "planted secret words"'),
        (TOKEN, 'pin_file = "pin"', 'pin = "planted"'),
        (TRANSIT, 'token_env = "TOKEN"', 'token = "planted"'),
        (TRANSIT, "https://bao", "https://user:planted@bao"),
        (FILE, 'root = "file"', 'root = "file" # passphrase = "planted"'),
        (TOKEN, 'root = "pkcs11"', 'root = "pkcs11" # pin = "planted"'),
    ],
)
def test_a_secret_is_refused_and_never_repeated(
    text: str, section: str, before: str, after: str
) -> None:
    assert before in section
    said = refusal(text, section.replace(before, after, 1))
    assert "planted" not in said
    assert "secret" in said


@pytest.mark.parametrize(
    ("path", "place"),
    [
        (".domicile/custodian.root", "the records"),
        ("home/custodian.root", "sites.home_media"),
        ("elsewhere/../home/x/root", "sites.home_media"),
        ("/charters/.domicile/keys/root", "the records"),
    ],
)
def test_a_root_key_beside_what_it_protects_is_refused(text: str, path: str, place: str) -> None:
    said = refusal(text, FILE.replace("/custody/root", path), Path("/charters"))
    assert f"keys.path: the root key would lie inside {place}" in said


def test_a_root_key_beside_the_charter_is_taken(text: str) -> None:
    found = keys(text, FILE.replace("/custody/root", "custodian.root"))
    assert isinstance(found, FileKeys)
