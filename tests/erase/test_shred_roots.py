"""A shred whose root is with each keeper: what it destroys there opens nobody's old backup."""

from __future__ import annotations

import secrets
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from domicile.custody.pkcs11_root import Pkcs11Root
from domicile.custody.transit_root import TransitRoot
from tests.erase.shredding import ANNA, BEN, EVERYBODY, ShredWorld
from tests.services.oci_vault import OciVault
from tests.services.openbao import OpenBao
from tests.services.softhsm import MODULE, PIN, SoftHsm

OTHERS = set(EVERYBODY) - {ANNA}


def secret(directory: Path, text: str) -> Path:
    path = directory / "secret"
    path.touch(mode=0o600)
    path.write_text(text)
    return path


@pytest.fixture(params=["pkcs11", "transit"])
def keys(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A new root, as a charter names it."""
    name = f"root-{secrets.token_hex(4)}"
    if request.param == "pkcs11":
        softhsm: SoftHsm = request.getfixturevalue("softhsm")
        Pkcs11Root.create(softhsm.token(), name)
        return (
            f'root = "pkcs11"\nmodule = "{MODULE}"\ntoken_label = "custodian"\n'
            f'key_label = "{name}"\npin_file = "{secret(tmp_path, PIN)}"\n'
        )
    openbao: OpenBao = request.getfixturevalue("openbao")
    TransitRoot.create(openbao.connection(), "transit", name)
    return (
        f'root = "transit"\nurl = "{openbao.address}"\nkey = "{name}"\n'
        f'token_file = "{secret(tmp_path, openbao.token)}"\n'
    )


@pytest.fixture
def vault_world(oci_vault: OciVault, tmp_path: Path) -> ShredWorld:
    """A world whose root is in a vault, which destroys nothing before seven days have passed."""
    endpoints = f'"{oci_vault.address}"'
    key = oci_vault.vault.make_key()
    return ShredWorld(
        tmp_path / "reel",
        keys=f'root = "oci"\nkey = "{key.ocid}"\ncrypto_endpoint = {endpoints}\n'
        f'management_endpoint = {endpoints}\nconfig_file = "{oci_vault.config_file}"\n',
    )


def test_yesterdays_backup_opens_nothing_of_theirs_with_the_root_of_today(
    keys: str, tmp_path: Path
) -> None:
    world = ShredWorld(tmp_path / "reel", keys=keys)
    backup = tmp_path / "yesterday"
    shutil.copytree(world.base, backup, symlinks=True)
    assert world.readable() == set(EVERYBODY)

    with world.shredder() as shredder:
        assert shredder.request([ANNA]).request
        (path,) = shredder.run().done.values()

    assert world.readable() == OTHERS
    said = world.certificate(path)
    assert said["root"].startswith(("pkcs11:custodian/root-", "transit:127.0.0.1"))
    assert said["root_versions"] == [1]
    verified = world.command("ledger", "verify")
    assert verified.returncode == 0, verified.stdout + verified.stderr
    shutil.rmtree(world.base)
    backup.rename(world.base)  # the charter names it by where it was
    opened = world.command("open", str(tmp_path / "plain"))
    assert opened.returncode != 0
    assert "has no version 1" in opened.stderr
    assert not any((tmp_path / "plain").rglob("video"))


def test_a_vault_keeps_it_pending_until_its_date_and_then_it_is_done(
    vault_world: ShredWorld, oci_vault: OciVault
) -> None:
    with vault_world.shredder() as shredder:
        assert shredder.request([ANNA, BEN]).request
        report = shredder.run()
        assert report.done == {}
        assert "until then it can be brought back" in report.pending[0]
        assert shredder.run().done == {}
    assert vault_world.readable() == OTHERS - {BEN}

    (key,) = oci_vault.vault.keys.values()
    assert key.versions[0].deletion is not None
    key.versions[0].deletion = datetime.now(UTC)
    with vault_world.shredder() as shredder:
        shredder.ring.root.versions()  # the double destroys what is due when it is looked at
        (path,) = shredder.run().done.values()
    assert vault_world.certificate(path)["root"].startswith("oci:127.0.0.1")
