"""The root of a boundary's keys, opened as the charter says where it lies."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from domicile.charter import FileKeys, KeysConfig, OciKeys, Pkcs11Keys, TransitKeys
from domicile.custody.credential import Credential, EnvironmentCredential, FileCredential
from domicile.custody.file_root import FileRoot
from domicile.custody.memory import forbid_core_dumps
from domicile.custody.oci_connection import OciConnection
from domicile.custody.oci_root import OciRoot
from domicile.custody.root import RootKey
from domicile.custody.transit_connection import TransitConnection
from domicile.custody.transit_root import TransitRoot
from domicile.errors import CharterError, UsageError

if TYPE_CHECKING:
    from domicile.custody.pkcs11_token import Token

__all__ = ["create_root", "file_passphrase", "open_root"]


def open_root(keys: KeysConfig, base: Path, environ: Mapping[str, str]) -> RootKey:
    """The root that ``[boundaries.NAME.keys]`` names; it must exist. ``base`` is the charter's
    directory, from which its relative paths start.

    Raises UsageError where the package for this keeper is not installed, naming what brings it,
    and whatever `RootKey` says of a keeper that is away, says no, or has no such root.
    """
    forbid_core_dumps()
    match keys:
        case FileKeys():
            return FileRoot.open(base / keys.path, file_passphrase(keys, base, environ))
        case Pkcs11Keys():
            from domicile.custody.pkcs11_root import Pkcs11Root  # noqa: PLC0415 - see `_token`

            return Pkcs11Root.open(_token(keys, base, environ), keys.key_label)
        case TransitKeys():
            return TransitRoot.open(_connection(keys, base, environ), keys.mount, keys.key)
        case OciKeys():
            config_file = base / Path(keys.config_file).expanduser()
            endpoints = keys.crypto_endpoint, keys.management_endpoint
            return OciRoot.open(OciConnection(*endpoints, config_file, keys.profile), keys.key)


def create_root(keys: KeysConfig, base: Path, environ: Mapping[str, str]) -> RootKey:
    """Make the root that ``[boundaries.NAME.keys]`` names.

    Raises UsageError where there is one, or its keeper makes none for us; else like `open_root`.
    """
    forbid_core_dumps()
    match keys:
        case FileKeys():
            return FileRoot.create(base / keys.path, file_passphrase(keys, base, environ))
        case Pkcs11Keys():
            from domicile.custody.pkcs11_root import Pkcs11Root  # noqa: PLC0415 - see `_token`

            return Pkcs11Root.create(_token(keys, base, environ), keys.key_label)
        case TransitKeys():
            return TransitRoot.create(_connection(keys, base, environ), keys.mount, keys.key)
        case OciKeys():
            raise UsageError(
                "Domicile makes no keys in OCI Vault",
                expected="an AES-256 key in the vault, made by who administers it",
                next_step="make it in OCI's console, and write its OCID into the charter",
            )


def file_passphrase(keys: FileKeys, base: Path, environ: Mapping[str, str]) -> str:
    """The passphrase of a file root, as it is now where the charter says. Raises SiteRefused where
    there is none, or others can read it."""
    forbid_core_dumps()
    return _credential(keys.passphrase_env, keys.passphrase_file, base, environ).read()


def _token(keys: Pkcs11Keys, base: Path, environ: Mapping[str, str]) -> Token:
    # Here, since it needs a package that not everybody has, and says which.
    from domicile.custody.pkcs11_token import Token  # noqa: PLC0415 - see above

    pin = _credential(keys.pin_env, keys.pin_file, base, environ)
    return Token(base / keys.module, keys.token_label, pin)


def _connection(keys: TransitKeys, base: Path, environ: Mapping[str, str]) -> TransitConnection:
    return TransitConnection(
        keys.url,
        _credential(keys.token_env, keys.token_file, base, environ),
        ca_file=base / keys.ca_file if keys.ca_file else None,
        namespace=keys.namespace or "",
    )


def _credential(
    variable: str | None, file: str | None, base: Path, environ: Mapping[str, str]
) -> Credential:
    if variable is not None:
        return EnvironmentCredential(variable, environ)
    if file is not None:
        return FileCredential(base / file)
    raise CharterError(  # a loaded charter never comes here: its rules ask for one of the two
        "the charter names no secret for the root of the keys",
        expected="the variable or the file that holds it",
        next_step="see [boundaries.NAME.keys] in docs/charter.md",
    )
