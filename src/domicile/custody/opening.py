"""The root of a boundary's keys, opened as the charter says where it lies."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from domicile.charter import FileKeys, KeysConfig, OciKeys, Pkcs11Keys, TransitKeys
from domicile.custody.credential import Credential, EnvironmentCredential, FileCredential
from domicile.custody.file_root import FileRoot
from domicile.custody.oci_connection import OciConnection
from domicile.custody.oci_root import OciRoot
from domicile.custody.root import RootKey
from domicile.custody.transit_connection import TransitConnection
from domicile.custody.transit_root import TransitRoot
from domicile.errors import CharterError

__all__ = ["open_root"]


def open_root(keys: KeysConfig, base: Path, environ: Mapping[str, str]) -> RootKey:
    """The root that ``[boundaries.NAME.keys]`` names; it must exist. ``base`` is the charter's
    directory, from which its relative paths start.

    Raises UsageError where the package for this keeper is not installed, naming what brings it,
    and whatever `RootKey` says of a keeper that is away, says no, or has no such root.
    """
    match keys:
        case FileKeys():
            secret = _credential(keys.passphrase_env, keys.passphrase_file, base, environ)
            return FileRoot.open(base / keys.path, secret.read())
        case Pkcs11Keys():
            return _open_token(keys, _credential(keys.pin_env, keys.pin_file, base, environ), base)
        case TransitKeys():
            token = _credential(keys.token_env, keys.token_file, base, environ)
            return _open_transit(keys, token, base)
        case OciKeys():
            return _open_oci(keys, base)


def _open_token(keys: Pkcs11Keys, pin: Credential, base: Path) -> RootKey:
    # Here, since they need a package that not everybody has, and say which.
    from domicile.custody.pkcs11_root import Pkcs11Root  # noqa: PLC0415 - see above
    from domicile.custody.pkcs11_token import Token  # noqa: PLC0415 - see above

    return Pkcs11Root.open(Token(base / keys.module, keys.token_label, pin), keys.key_label)


def _open_transit(keys: TransitKeys, token: Credential, base: Path) -> RootKey:
    connection = TransitConnection(
        keys.url,
        token,
        ca_file=base / keys.ca_file if keys.ca_file else None,
        namespace=keys.namespace or "",
    )
    return TransitRoot.open(connection, keys.mount, keys.key)


def _open_oci(keys: OciKeys, base: Path) -> RootKey:
    config_file = base / Path(keys.config_file).expanduser()
    endpoints = keys.crypto_endpoint, keys.management_endpoint
    return OciRoot.open(OciConnection(*endpoints, config_file, keys.profile), keys.key)


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
