"""What must hold of a boundary's keys (pure).

The root lies apart from what its keys protect: not on a site, and not in the records, where the
wrapped keys are. Whoever takes a backup of those must not have the root with it.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping
from pathlib import Path

from domicile.charter.lines import KeyPath
from domicile.charter.model import (
    Charter,
)
from domicile.charter.places import Place, endpoint_faults
from domicile.charter.problems import Problem
from domicile.charter.roots import FileKeys, KeysConfig, OciKeys, Pkcs11Keys, TransitKeys

__all__ = ["keys_problems"]

_KINDS_OF_SECRET: Mapping[type[KeysConfig], str] = {
    FileKeys: "passphrase",
    Pkcs11Keys: "pin",
    TransitKeys: "token",
}


def keys_problems(
    charter: Charter, places: Mapping[str, Place], records: Place, base: Path
) -> Iterator[Problem]:
    """Everything wrong with ``[boundaries.NAME.keys]``. ``places`` are the sites'; relative paths
    start at ``base``."""
    for name, boundary in charter.boundaries.items():
        if boundary.keys is not None:
            path: KeyPath = ("boundaries", name, "keys")
            yield from _secret_problems(path, boundary.keys)
            yield from _address_problems(path, boundary.keys)
            if isinstance(boundary.keys, FileKeys):
                everywhere = {f"sites.{site}": place for site, place in places.items()}
                everywhere["the records"] = records
                yield from _file_problems(path, boundary.keys, everywhere, base)


def _secret_problems(path: KeyPath, keys: KeysConfig) -> Iterator[Problem]:
    secret = _KINDS_OF_SECRET.get(type(keys))
    if secret is None:
        return
    ways = f"{secret}_env", f"{secret}_file"
    given = [way for way in ways if getattr(keys, way) is not None]
    choice = " or ".join(ways)
    if len(given) == 2:
        failed, step = "is a second way to the same secret", "keep one of the two"
        yield Problem((*path, ways[1]), failed, choice, step)
    elif not given:
        step = f"name where the {secret} is kept with `{ways[0]}` or `{ways[1]}`"
        yield Problem((*path, ways[0]), "is missing", choice, step)


def _address_problems(path: KeyPath, keys: KeysConfig) -> Iterator[Problem]:
    addresses = dict[str, str]()
    if isinstance(keys, TransitKeys):
        addresses = {"url": keys.url}
    elif isinstance(keys, OciKeys):
        addresses = {
            "crypto_endpoint": keys.crypto_endpoint,
            "management_endpoint": keys.management_endpoint,
        }
    for key, address in addresses.items():
        for fault in endpoint_faults(address, "`token_env` or `token_file`"):
            yield Problem((*path, key), fault.failed, fault.expected, fault.next_step)


def _file_problems(
    path: KeyPath, keys: FileKeys, places: Mapping[str, Place], base: Path
) -> Iterator[Problem]:
    where = posixpath.normpath(posixpath.join(base.as_posix(), keys.path))
    file = Place("directory", "", where)
    for name, place in places.items():
        if place.holds(file):
            yield Problem(
                (*path, "path"),
                f"the root key would lie inside {name}",
                "a file apart from what its keys protect, and from the wrapped keys",
                "choose a place that is backed up apart from both",
            )
