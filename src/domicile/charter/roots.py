"""The charter's models of where the root of a boundary's keys lies."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from domicile.charter.frozen import EnvironmentName, Frozen

__all__ = [
    "FileKeys",
    "KeysConfig",
    "OciKeys",
    "Pkcs11Keys",
    "TransitKeys",
]

KeyOcid = Annotated[str, StringConstraints(pattern=r"^ocid1\.key\.[A-Za-z0-9._-]{1,240}$")]
KeyLabel = Annotated[str, StringConstraints(pattern=r"^[^/\x00-\x1f]{1,200}$")]
TransitPath = Annotated[
    str,
    StringConstraints(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}(/[A-Za-z0-9][A-Za-z0-9_.-]{0,127})*$"
    ),
]
TransitKey = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$")]
ShredDays = Annotated[
    int,
    Field(
        ge=0,
        le=365,
        description="Days that a request to shred persons' keys waits, and can be cancelled.",
    ),
]


class FileKeys(Frozen):
    """The root of the boundary's keys lies in a file, under a passphrase."""

    root: Literal["file"]
    path: str = Field(
        min_length=1,
        description="The root key's file, of mode 0600 (relative to the charter): outside every"
        " site and the records.",
    )
    passphrase_env: EnvironmentName | None = Field(
        default=None, description="Environment variable that holds the passphrase."
    )
    passphrase_file: str | None = Field(
        default=None,
        description="File of mode 0600 that holds the passphrase (relative to the charter).",
    )
    shred_days: ShredDays = 7


class Pkcs11Keys(Frozen):
    """The root of the boundary's keys lies in a PKCS#11 token: an HSM. Needs `domicile[pkcs11]`."""

    root: Literal["pkcs11"]
    module: str = Field(
        min_length=1,
        description="The shared library that the token's vendor delivers"
        " (relative to the charter).",
    )
    token_label: str = Field(min_length=1, max_length=32, description="The token's label.")
    key_label: KeyLabel = Field(
        description="The root key's label, without `/`: its versions are `LABEL/1`, `LABEL/2`, ..."
    )
    pin_env: EnvironmentName | None = Field(
        default=None, description="Environment variable that holds the PIN of the token's user."
    )
    pin_file: str | None = Field(
        default=None, description="File of mode 0600 that holds the PIN (relative to the charter)."
    )
    shred_days: ShredDays = 7


class TransitKeys(Frozen):
    """The root of the boundary's keys lies in the transit engine of OpenBao or Vault."""

    root: Literal["transit"]
    url: str = Field(description="The server's active node, `https://host[:port]`.")
    mount: TransitPath = Field(default="transit", description="Where the engine is mounted.")
    key: TransitKey = Field(description="The key's name in the engine, of type `aes256-gcm96`.")
    namespace: TransitPath | None = Field(
        default=None, description="The namespace that the mount is in, if any."
    )
    ca_file: str | None = Field(
        default=None,
        description="Certificates of the only authorities that are believed, in PEM (relative to"
        " the charter). Without it: those of this machine.",
    )
    token_env: EnvironmentName | None = Field(
        default=None, description="Environment variable that holds the token."
    )
    token_file: str | None = Field(
        default=None,
        description="File of mode 0600 that holds the token (relative to the charter).",
    )
    shred_days: ShredDays = 7


class OciKeys(Frozen):
    """The root of the boundary's keys is a master encryption key in OCI Vault. Needs
    `domicile[oci]`. It has not met the real service."""

    root: Literal["oci"]
    key: KeyOcid = Field(description="The key's OCID. It is AES of 256 bits.")
    crypto_endpoint: str = Field(
        description="The vault's cryptographic endpoint,"
        " `https://...-crypto.kms.REGION.oraclecloud.com`."
    )
    management_endpoint: str = Field(
        description="The vault's management endpoint,"
        " `https://...-management.kms.REGION.oraclecloud.com`."
    )
    config_file: str = Field(
        default="~/.oci/config",
        description="The SDK's config file, of mode 0600 as the key file that it names"
        " (relative to the charter).",
    )
    profile: str = Field(default="DEFAULT", min_length=1, description="The profile in that file.")
    shred_days: ShredDays = 7


KeysConfig = Annotated[FileKeys | Pkcs11Keys | TransitKeys | OciKeys, Field(discriminator="root")]
