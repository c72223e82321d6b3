"""A root key in OCI Vault: a master encryption key (AES-256) and its key versions.

**This has not met the real service**, see `oci_connection`.

The service names versions by OCID and orders them by time. Here a version's number is its time of
creation in milliseconds since 1970, so the first is not 1. The context goes into a request as the
associated data ``{"domicile-context": SHA-256 in hex}``: the service bounds its length.

Deletion is scheduled, 7 to 30 days ahead. Until then the version is out of use, and whoever may can
cancel: `destroy` says so and until when.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final, NamedTuple

from domicile.custody.oci_connection import OciClients, OciConnection, OciRejected
from domicile.custody.root import Destruction, RootWrapped, check_destroyable, no_version
from domicile.custody.wrapping import KEY_BYTES, does_not_open
from domicile.errors import SiteRefused, SiteUnreachable

__all__ = ["OciRoot"]

_DAYS: Final = 7
"""The shortest that the service allows; an hour is added for clocks that differ."""
_MAX_CIPHERTEXT_BYTES: Final = 8 << 10
_MAKING_S: Final = 60.0
_MAX_PAGES: Final = 100
_1970: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LEAVING: Final = frozenset({"PENDING_DELETION", "SCHEDULING_DELETION"})
_GONE: Final = frozenset({"DELETED", "DELETING"})
_PENDING: Final = (
    "the version is out of use and scheduled for deletion; until its date whoever may can cancel"
    " that, and it opens again"
)
_PROVES: Final = "the service says that it deleted the version"
_NOT_EXAMINED: Final = (
    "backups of the key or its vault, replicas of the vault, and what the service itself keeps are"
    " not examined"
)


class _Version(NamedTuple):
    number: int
    ocid: str
    state: str
    time_of_deletion: datetime | None


class OciRoot:
    """The root key in a vault. Its versions are listed each time: they may have changed."""

    def __init__(
        self,
        connection: OciConnection,
        key_ocid: str,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._connection, self._key_ocid, self._now = connection, key_ocid, now

    def __repr__(self) -> str:
        return f"OciRoot({self.label!r})"

    @classmethod
    def open(cls, connection: OciConnection, key_ocid: str) -> OciRoot:
        """Open a root key; it is made with the vault. Raises SiteRefused where it is not AES-256 or
        not shown to this user."""
        root = cls(connection, key_ocid)
        shape = root._key().key_shape
        if (shape.algorithm, shape.length) != ("AES", KEY_BYTES):
            raise SiteRefused(
                f"{root.label} is {shape.algorithm} of {shape.length} bytes",
                expected="a master encryption key of AES, 256 bits",
                next_step="make one for this root alone",
            )
        return root

    @property
    def label(self) -> str:
        """``oci:HOST/LAST-PART-OF-OCID``."""
        return f"oci:{self._connection.host}/{self._key_ocid.rpartition('.')[2]}"

    def versions(self) -> tuple[int, ...]:
        """The versions that are not scheduled for deletion, oldest first."""
        return tuple(self._in_use())

    def weaknesses(self) -> tuple[str, ...]:
        """A key outside the service's HSM."""
        mode = self._key().protection_mode
        if mode == "HSM":
            return ()
        return (f"{self.label} is protected by {mode}, not by an HSM: it can be exported",)

    def wrap(self, key: bytes, context: bytes) -> RootWrapped:
        """A key under the newest version."""
        if len(key) != KEY_BYTES:
            raise ValueError(len(key))
        newest = list(self._in_use().values())[-1]
        details = self._connection.models.EncryptDataDetails(
            key_id=self._key_ocid,
            key_version_id=newest.ocid,
            plaintext=base64.b64encode(key).decode(),
            associated_data=_associated(context),
            encryption_algorithm="AES_256_GCM",
        )
        sealed = self._call(lambda clients: clients.crypto.encrypt(details).data)
        data = str(sealed.ciphertext).encode()
        if sealed.key_version_id not in {newest.ocid, None} or not _is_ciphertext(data):
            raise self._connection.nonsense()
        return RootWrapped(newest.number, data)

    def unwrap(self, wrapped: Sequence[tuple[RootWrapped, bytes]]) -> list[bytes]:
        """Keys, in order. The service takes one a request."""
        if not wrapped:
            return []
        versions = self._in_use()
        for each, _ in wrapped:
            if each.version not in versions:
                raise no_version(self.label, each.version, tuple(versions))
        return [self._open(versions[each.version], each.data, c) for each, c in wrapped]

    def rotate(self) -> int:
        """A new version, waited for until the service says that it is enabled."""
        made = self._call(
            lambda clients: clients.management.create_key_version(self._key_ocid).data
        )
        give_up = time.monotonic() + _MAKING_S
        while time.monotonic() < give_up:
            for version in self._in_use().values():
                if version.ocid == made.id and version.state == "ENABLED":
                    return version.number
            time.sleep(0.2)
        raise SiteUnreachable(
            f"{self.label} has no new version after {_MAKING_S:g} s",
            expected="the version that was asked for, enabled",
            next_step="look whether it came since: another one does no harm",
        )

    def destroy(self, version: int) -> Destruction:
        """Schedule a version's deletion."""
        known = {each.number: each for each in self._listed()}
        check_destroyable(self.label, version, tuple(self._in_use()))
        if version not in known:
            raise no_version(self.label, version, tuple(known))
        state, until = known[version].state, known[version].time_of_deletion
        if state in _GONE:
            return Destruction(f"{_PROVES}; {_NOT_EXAMINED}")
        if state not in _LEAVING:
            until = self._schedule(known[version].ocid)
        if until is None:
            raise self._connection.nonsense()
        return Destruction(f"{_PENDING}; {_NOT_EXAMINED}", until)

    def _schedule(self, ocid: str) -> datetime | None:
        when = self._now() + timedelta(days=_DAYS, hours=1)
        details = self._connection.models.ScheduleKeyVersionDeletionDetails(time_of_deletion=when)
        until: datetime | None = self._call(
            lambda clients: (
                clients.management.schedule_key_version_deletion(self._key_ocid, ocid, details).data
            )
        ).time_of_deletion
        return until

    def _open(self, version: _Version, data: bytes, context: bytes) -> bytes:
        if not _is_ciphertext(data):
            raise does_not_open()
        details = self._connection.models.DecryptDataDetails(
            key_id=self._key_ocid,
            key_version_id=version.ocid,
            ciphertext=data.decode("ascii"),
            associated_data=_associated(context),
            encryption_algorithm="AES_256_GCM",
        )
        try:
            opened = self._connection.call(lambda clients: clients.crypto.decrypt(details).data)
            key = base64.b64decode(opened.plaintext, validate=True)
        except (OciRejected, binascii.Error):
            raise does_not_open() from None
        if len(key) != KEY_BYTES:
            raise does_not_open()
        return key

    def _in_use(self) -> dict[int, _Version]:
        out = _LEAVING | _GONE | {"CREATING"}
        found = {each.number: each for each in self._listed() if each.state not in out}
        if not found:
            raise SiteRefused(
                f"{self.label} has no version in use",
                expected="a key that is not scheduled for deletion",
                next_step="cancel its deletion, or restore it from its backup",
            )
        return found

    def _listed(self) -> list[_Version]:
        """All versions that the service lists, oldest first."""
        listed, page = list[_Version](), None
        for _ in range(_MAX_PAGES):
            found, page = self._call(partial(self._page, page=page))
            listed += found
            if page is None:
                break
        if page is not None or len({each.number for each in listed}) != len(listed):
            raise self._connection.nonsense()
        return sorted(listed)

    def _page(self, clients: OciClients, page: str | None) -> tuple[list[_Version], str | None]:
        options = {"page": page} if page else {}
        answer = clients.management.list_key_versions(self._key_ocid, **options)
        return [_version(each) for each in answer.data], answer.next_page

    def _key(self) -> Any:  # noqa: ANN401 - the SDK has no types
        return self._call(lambda clients: clients.management.get_key(self._key_ocid).data)

    def _call(self, act: Callable[[OciClients], Any]) -> Any:  # noqa: ANN401
        try:
            return self._connection.call(act)
        except OciRejected:
            raise SiteRefused(
                f"{self.label}: the service rejects the request (400)",
                expected="a key's OCID, and what the API allows",
                next_step="check the OCID",
            ) from None


def _version(listed: Any) -> _Version:  # noqa: ANN401 - the SDK has no types
    milliseconds = (listed.time_created - _1970) // timedelta(milliseconds=1)
    return _Version(milliseconds, listed.id, listed.lifecycle_state, listed.time_of_deletion)


def _associated(context: bytes) -> dict[str, str]:
    return {"domicile-context": hashlib.sha256(context).hexdigest()}


def _is_ciphertext(data: bytes) -> bool:
    """Whether a request can hold it: it is the service's own text, of which only the length is
    promised."""
    return data.isascii() and 0 < len(data) <= _MAX_CIPHERTEXT_BYTES
