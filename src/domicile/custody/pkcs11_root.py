"""A root key in a PKCS#11 token: an HSM in the machine or on the network, a smart card.

Each version is an AES-256 key of its own in the token, labelled ``LABEL/1``, ``LABEL/2``, ...:
made there, sensitive and not extractable. A key is wrapped by the token's AES-GCM with the context
as additional data, in the form of `wrapping`: ``nonce 12 | sealed key 32 | tag 16``.

Two operators who rotate at once may make two keys of one label. Both then are that version: what is
wrapped under either opens, and destroying the version destroys both.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections import defaultdict
from collections.abc import Sequence
from functools import partial
from itertools import islice
from typing import Final, Protocol, cast

# First, since it says what is missing:
from domicile.custody.pkcs11_token import Token, refused

# isort: split
import pkcs11
from pkcs11 import Attribute, KeyType, Mechanism, MechanismFlag, ObjectClass

from domicile.custody.root import Destruction, RootWrapped, check_destroyable, no_version
from domicile.custody.wrapping import KEY_BYTES, WRAPPED_BYTES, does_not_open
from domicile.errors import SiteMissing, UsageError

__all__ = ["Pkcs11Root"]

_NONCE_BYTES: Final = 12
_BATCH: Final = 240
_PROVES: Final = (
    "the token no longer has the version and refuses what was wrapped under it; backups of the"
    " token, other tokens that it was cloned to and the token's medium are not examined"
)


class _Key(Protocol):
    """What of `pkcs11.SecretKey` is used: its stubs leave out what its mechanisms mix in."""

    @property
    def label(self) -> str | None: ...
    def encrypt(self, data: bytes, **mechanism: object) -> bytes: ...
    def decrypt(self, data: bytes, **mechanism: object) -> bytes: ...
    def destroy(self) -> None: ...
    def __getitem__(self, attribute: Attribute) -> object: ...


_Keys = dict[int, list[_Key]]


class Pkcs11Root:
    """The root key in a token. Nothing of it is cached: a version that another process destroyed
    opens nothing here."""

    def __init__(self, token: Token, name: str) -> None:
        """Raises UsageError for a name that versions can't be told apart by."""
        if not name or "/" in name:
            raise UsageError(
                f"{name!r} names no root key",
                expected="a label without /: the token's keys are LABEL/1, LABEL/2, ...",
                next_step="choose another label",
            )
        self._token, self._name = token, name
        self._labelled = re.compile(re.escape(name) + r"/([1-9][0-9]{0,8})")

    def __repr__(self) -> str:
        return f"Pkcs11Root({self.label!r})"

    @classmethod
    def create(cls, token: Token, name: str) -> Pkcs11Root:
        """Make a root key. Raises UsageError where the token has one of that name."""
        root = cls(token, name)
        if token.run(root._found):
            raise UsageError(
                f"{root.label} exists",
                expected="a new label: another root would orphan every key under this one",
                next_step="open the root that is there, or choose another label",
            )
        token.run(lambda session: root._generate(session, 1))
        return cls.open(token, name)

    @classmethod
    def open(cls, token: Token, name: str) -> Pkcs11Root:
        """Open a root key. Raises SiteMissing where the token shows none of that name."""
        root = cls(token, name)
        root.versions()
        return root

    @property
    def label(self) -> str:
        """``pkcs11:TOKEN/LABEL``."""
        return f"pkcs11:{self._token.name}/{self._name}"

    def versions(self) -> tuple[int, ...]:
        """The versions that the token has, oldest first."""
        return tuple(self._token.run(self._keys))

    def weaknesses(self) -> tuple[str, ...]:
        """Versions that could leave the token, or once could, or came from outside."""
        return self._token.run(
            lambda session: tuple(
                f"version {version} of {self.label} {weakness}"
                for version, keys in self._keys(session).items()
                for weakness in sorted({each for key in keys for each in _weaknesses(key)})
            )
        )

    def wrap(self, key: bytes, context: bytes) -> RootWrapped:
        """A key under the newest version, opened again before it is handed out: nobody is given
        what a token of another opinion on nonces will not open."""
        if len(key) != KEY_BYTES:
            raise ValueError(len(key))
        return self._token.run(lambda session: self._wrap(session, key, context))

    def unwrap(self, wrapped: Sequence[tuple[RootWrapped, bytes]]) -> list[bytes]:
        """Keys, in order."""
        left, opened = iter(wrapped), list[bytes]()
        while batch := list(islice(left, _BATCH)):
            opened += self._token.run(partial(self._unwrap, batch))
        return opened

    def rotate(self) -> int:
        """A new version."""

        def act(session: pkcs11.Session) -> int:
            version = max(self._keys(session)) + 1
            self._generate(session, version)
            return version

        return self._token.run(act)

    def destroy(self, version: int) -> Destruction:
        """Take a version out of the token."""

        def act(session: pkcs11.Session) -> None:
            keys = self._keys(session)
            check_destroyable(self.label, version, tuple(keys))
            for key in keys.get(version, ()):
                key.destroy()
            if version in self._keys(session):
                raise refused(self._token.name, f"still has version {version} of {self._name}")

        self._token.run(act)
        return Destruction(_PROVES)

    def _found(self, session: pkcs11.Session) -> _Keys:
        """The keys of each version, oldest first; empty where the token has none."""
        found: _Keys = defaultdict(list)
        for each in session.get_objects(
            {Attribute.CLASS: ObjectClass.SECRET_KEY, Attribute.KEY_TYPE: KeyType.AES}
        ):
            key = cast("_Key", each)
            if match := self._labelled.fullmatch(key.label or ""):
                found[int(match[1])].append(key)
        return dict(sorted(found.items()))

    def _keys(self, session: pkcs11.Session) -> _Keys:
        if keys := self._found(session):
            return keys
        raise SiteMissing(
            f"the token {self._token.name} shows no key {self._name}/1 or later",
            expected="the root key's versions, and a user who may see them",
            next_step="check the label; restore the token from its backup",
        )

    def _generate(self, session: pkcs11.Session, version: int) -> None:
        session.generate_key(
            KeyType.AES,
            KEY_BYTES * 8,
            label=f"{self._name}/{version}",
            store=True,
            capabilities=MechanismFlag.ENCRYPT | MechanismFlag.DECRYPT,
            template={
                Attribute.PRIVATE: True,
                Attribute.SENSITIVE: True,
                Attribute.EXTRACTABLE: False,
            },
        )

    def _wrap(self, session: pkcs11.Session, key: bytes, context: bytes) -> RootWrapped:
        version, (root, *_) = max(self._keys(session).items())
        data = _encrypt(root, key, context)
        with contextlib.suppress(pkcs11.PKCS11Error):
            if len(data) == WRAPPED_BYTES and _decrypt_bare(root, data, context) == key:
                return RootWrapped(version, data)
        raise refused(
            self._token.name,
            "does not open what it sealed just now: it takes no nonces and hands out none",
        )

    def _unwrap(
        self, batch: Sequence[tuple[RootWrapped, bytes]], session: pkcs11.Session
    ) -> list[bytes]:
        keys = self._keys(session)
        for each, _ in batch:
            if each.version not in keys:
                raise no_version(self.label, each.version, tuple(keys))
        return [_open(keys[each.version], each.data, context) for each, context in batch]


def _open(keys: Sequence[_Key], data: bytes, context: bytes) -> bytes:
    for key in keys:
        opened = _decrypt(key, data, context)
        if opened is not None:
            return opened
    raise does_not_open()


def _encrypt(root: _Key, key: bytes, context: bytes) -> bytes:
    # A token that insists on nonces of its own writes them in the place of ours (AWS CloudHSM
    # does): so that place can be written to, and is read afterwards.
    nonce = bytearray(os.urandom(_NONCE_BYTES))
    sealed = root.encrypt(key, mechanism=Mechanism.AES_GCM, mechanism_param=_gcm(nonce, context))
    return bytes(nonce) + sealed


def _decrypt(root: _Key, data: bytes, context: bytes) -> bytes | None:
    """The key; None where ``data`` does not open under this root with this context.

    Tokens differ in what they answer to a wrong tag, SoftHSM says "general error". What tells a
    changed key from a broken token is whether the token opens a key that it sealed just now.
    """
    if len(data) != WRAPPED_BYTES:
        return None
    try:
        return _decrypt_bare(root, data, context)
    except pkcs11.PKCS11Error:
        _decrypt_bare(root, _encrypt(root, bytes(KEY_BYTES), b""), b"")
        return None


def _decrypt_bare(root: _Key, data: bytes, context: bytes) -> bytes:
    nonce, sealed = bytearray(data[:_NONCE_BYTES]), data[_NONCE_BYTES:]
    return root.decrypt(sealed, mechanism=Mechanism.AES_GCM, mechanism_param=_gcm(nonce, context))


def _gcm(nonce: bytearray, context: bytes) -> pkcs11.GCMParams:
    return pkcs11.GCMParams(cast("bytes", nonce), context, tag_bits=128)


def _weaknesses(key: _Key) -> list[str]:
    return [
        what
        for attribute, sound, what in (
            (Attribute.EXTRACTABLE, False, "can be taken out of the token"),
            (Attribute.NEVER_EXTRACTABLE, True, "could be taken out of the token once"),
            (Attribute.SENSITIVE, True, "can be read in plaintext"),
            (Attribute.ALWAYS_SENSITIVE, True, "could be read in plaintext once"),
            (Attribute.LOCAL, True, "was not made in the token"),
        )
        if key[attribute] is not sound
    ]
