"""A root opened as the charter names it."""

from __future__ import annotations

import secrets
import subprocess
import sys
from pathlib import Path

import pytest

from domicile.charter import FileKeys, KeysConfig, OciKeys, Pkcs11Keys, TransitKeys
from domicile.custody.file_root import FileRoot
from domicile.custody.opening import open_root
from domicile.custody.pkcs11_root import Pkcs11Root
from domicile.custody.transit_root import TransitRoot
from domicile.errors import CharterError, SiteMissing, SiteRefused
from tests.custody.keepers import PASSPHRASE
from tests.services.oci_vault import OciVault
from tests.services.openbao import OpenBao, running_openbao
from tests.services.softhsm import MODULE, PIN, SoftHsm

KEY = b"k" * 32


@pytest.fixture
def name() -> str:
    return f"root-{secrets.token_hex(4)}"


def put(path: Path, text: str) -> str:
    """A secret in a file; the file's name, as a charter beside it has it."""
    path.write_text(f"{text}\n")
    path.chmod(0o600)
    return path.name


def check(keys: KeysConfig, base: Path, environ: dict[str, str], label: str) -> None:
    root = open_root(keys, base, environ)
    assert root.label == label
    kept = root.wrap(KEY, b"context")
    assert open_root(keys, base, environ).unwrap([(kept, b"context")]) == [KEY]


def test_a_file_beside_the_charter_opens_with_its_passphrase(tmp_path: Path) -> None:
    FileRoot.create(tmp_path / "keys" / "us.root", PASSPHRASE)
    keys = FileKeys(root="file", path="keys/us.root", passphrase_env="P")
    check(keys, tmp_path, {"P": PASSPHRASE}, "file:us.root")
    kept = put(tmp_path / "passphrase", PASSPHRASE)
    keys = FileKeys(root="file", path="keys/us.root", passphrase_file=kept)
    check(keys, tmp_path, {}, "file:us.root")


def test_a_token_opens_with_its_pin(softhsm: SoftHsm, tmp_path: Path, name: str) -> None:
    Pkcs11Root.create(softhsm.token(), name)
    keys = Pkcs11Keys(
        root="pkcs11",
        module=str(MODULE),
        token_label="custodian",
        key_label=name,
        pin_file=put(tmp_path / "pin", PIN),
    )
    check(keys, tmp_path, {}, f"pkcs11:custodian/{name}")
    with pytest.raises(SiteMissing, match="shows no key other/1"):
        open_root(keys.model_copy(update={"key_label": "other"}), tmp_path, {})


def test_a_transit_key_opens_with_its_token(openbao: OpenBao, tmp_path: Path, name: str) -> None:
    TransitRoot.create(openbao.connection(), "transit", name)
    keys = TransitKeys(root="transit", url=openbao.address, key=name, token_env="TOKEN")
    host = openbao.address.removeprefix("http://")
    check(keys, tmp_path, {"TOKEN": openbao.token}, f"transit:{host}/transit/{name}")
    with pytest.raises(SiteMissing):
        open_root(keys.model_copy(update={"key": "other"}), tmp_path, {"TOKEN": openbao.token})


def test_the_charters_authority_is_the_one_that_is_believed(tmp_path: Path) -> None:
    with running_openbao(tls=True) as server:
        TransitRoot.create(server.connection(), "transit", "us")
        keys = TransitKeys(root="transit", url=server.address, key="us", token_env="TOKEN")
        with pytest.raises(SiteRefused, match="certificate that does not verify"):
            open_root(keys, tmp_path, {"TOKEN": server.token})
        assert server.ca_file is not None
        (tmp_path / "ca.pem").write_bytes(server.ca_file.read_bytes())
        named = keys.model_copy(update={"ca_file": "ca.pem"})
        host = server.address.removeprefix("https://")
        check(named, tmp_path, {"TOKEN": server.token}, f"transit:{host}/transit/us")


def test_a_key_in_a_vault_opens_with_the_sdks_profile(oci_vault: OciVault, tmp_path: Path) -> None:
    key = oci_vault.vault.make_key()
    keys = OciKeys(
        root="oci",
        key=key.ocid,
        crypto_endpoint=oci_vault.address,
        management_endpoint=oci_vault.address,
        config_file=oci_vault.config_file.name,
    )
    host = oci_vault.address.removeprefix("http://")
    base = oci_vault.config_file.parent
    check(keys, base, {}, f"oci:{host}/{key.ocid.rpartition('.')[2]}")
    absent = keys.model_copy(update={"profile": "ABSENT"})
    with pytest.raises(SiteRefused, match="cannot be asked"):
        open_root(absent, base, {})
    elsewhere = keys.model_copy(update={"config_file": "elsewhere"})
    with pytest.raises(SiteRefused, match="cannot be asked"):
        open_root(elsewhere, tmp_path, {})


def test_a_secret_that_is_not_where_the_charter_says_is_named_by_its_place(tmp_path: Path) -> None:
    FileRoot.create(tmp_path / "us.root", PASSPHRASE)
    keys = FileKeys(root="file", path="us.root", passphrase_env="P")
    with pytest.raises(SiteRefused, match="the variable P is not set"):
        open_root(keys, tmp_path, {})
    with pytest.raises(SiteRefused, match="does not open with this passphrase") as raised:
        open_root(keys, tmp_path, {"P": "planted but wrong"})
    assert "planted" not in str(raised.value)
    kept = put(tmp_path / "passphrase", PASSPHRASE)
    (tmp_path / kept).chmod(0o640)
    keys = FileKeys(root="file", path="us.root", passphrase_file=kept)
    with pytest.raises(SiteRefused, match="the file passphrase can be read by others"):
        open_root(keys, tmp_path, {})
    with pytest.raises(CharterError, match="names no secret"):
        open_root(FileKeys(root="file", path="us.root"), tmp_path, {})


def test_no_package_of_another_keeper_is_imported(tmp_path: Path) -> None:
    FileRoot.create(tmp_path / "us.root", PASSPHRASE)
    script = f"""
import sys
from pathlib import Path
from domicile.charter import FileKeys
from domicile.custody.opening import open_root
keys = FileKeys(root="file", path="us.root", passphrase_env="P")
print(open_root(keys, Path({str(tmp_path)!r}), {{"P": {PASSPHRASE!r}}}).label)
print({{"oci", "pkcs11"}} & set(sys.modules))
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout == "file:us.root\nset()\n"


TOKEN_KEYS = """Pkcs11Keys(
    root="pkcs11", module="m", token_label="t", key_label="k", pin_env="PIN"
)"""
VAULT_KEYS = """OciKeys(
    root="oci",
    key="ocid1.key.x",
    crypto_endpoint="https://a.example",
    management_endpoint="https://b.example",
)"""


@pytest.mark.parametrize(("package", "keys"), [("pkcs11", TOKEN_KEYS), ("oci", VAULT_KEYS)])
def test_a_missing_package_is_named_with_what_brings_it(package: str, keys: str) -> None:
    script = f"""
import sys
sys.modules[{package!r}] = None
from pathlib import Path
from domicile.charter import OciKeys, Pkcs11Keys
from domicile.custody.opening import open_root
from domicile.errors import UsageError
try:
    open_root({keys}, Path(), {{"PIN": "1"}})
except UsageError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60
    )
    assert f"pip install 'domicile[{package}]'" in done.stdout
