"""The keepers of root keys that the contract is held against, each with a new root."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from domicile.custody.file_root import FileRoot
from domicile.custody.oci_root import OciRoot
from domicile.custody.pkcs11_root import Pkcs11Root
from domicile.custody.root import RootKey
from domicile.custody.transit_root import TransitRoot
from tests.services.oci_vault import OciVault
from tests.services.openbao import OpenBao
from tests.services.softhsm import PIN, SoftHsm

Opens = Callable[[], RootKey]
PASSPHRASE = "correct horse battery staple"


@dataclass(frozen=True)
class Keeper:
    """opens gives the same root each time; secrets are what nobody may be shown."""

    opens: Opens
    secrets: tuple[bytes, ...]


def keeper_of_file(directory: Path) -> Keeper:
    path = directory / "custodian.root"
    root = FileRoot.create(path, PASSPHRASE)
    return Keeper(
        lambda: FileRoot.open(path, PASSPHRASE), (PASSPHRASE.encode(), root._secret, root._keys[1])
    )


def keeper_of_token(softhsm: SoftHsm) -> Keeper:
    name = f"root-{secrets.token_hex(4)}"
    Pkcs11Root.create(softhsm.token(), name)
    return Keeper(lambda: Pkcs11Root.open(softhsm.token(), name), (PIN.encode(),))


def keeper_of_transit(openbao: OpenBao) -> Keeper:
    name = f"root-{secrets.token_hex(4)}"
    TransitRoot.create(openbao.connection(), "transit", name)
    return Keeper(
        lambda: TransitRoot.open(openbao.connection(), "transit", name), (openbao.token.encode(),)
    )


def keeper_of_oci(oci_vault: OciVault) -> Keeper:
    key = oci_vault.vault.make_key()
    return Keeper(lambda: OciRoot.open(oci_vault.connection(), key.ocid), oci_vault.secrets)
