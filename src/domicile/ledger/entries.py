"""What the ledger's entries say: one frozen, versioned struct per kind, as canonical JSON.

The part of the system that writes a kind registers it::

    @entry_kind("move.shard-copied", version=1)
    class ShardCopied(Body, frozen=True):
        run: str
        files: tuple[FileDigest, ...]

An entry is the RFC 8785 form of ``{body, charter, clock, kind, policy, time, version}``, at most
65,535 bytes; ``policy`` is left out while none is in force. A kind's fields never change: what must
change becomes a new version. No body holds a direct identifier of a person.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal, TypeVar

import msgspec
import rfc8785
from msgspec import Meta

from domicile.errors import EvidenceError, UsageError
from domicile.ledger.tiles import MAX_ENTRY_BYTES

__all__ = [
    "Body",
    "ClockSource",
    "Entry",
    "EntryTime",
    "Envelope",
    "FileDigest",
    "Pseudonym",
    "Sha256Hex",
    "body_of",
    "decode",
    "encode",
    "entry_kind",
    "files_of",
    "kind_of",
    "open_envelope",
    "registered_kinds",
    "time_text",
]

Sha256Hex = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]
RelativePath = Annotated[
    str,
    Meta(
        pattern=r"^(?!\.{1,2}(?:/|\Z))[^/\x00-\x1f]+(?:/(?!\.{1,2}(?:/|\Z))[^/\x00-\x1f]+)*\Z",
        max_length=1024,
    ),
]
Pseudonym = Annotated[str, Meta(pattern=r"^p-[a-z2-7]{25}[aeimquy4]\Z")]
"""A person, as entries mention them: ``p-`` and 128 random bits in base32. Custody makes it at the
first mention and holds whose it is."""
EntryTime = Annotated[str, Meta(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z\Z")]
ClockSource = Literal["system", "system, synchronised", "system, unsynchronised"]
"""Where an entry's time comes from: this machine's clock, which its kernel takes for synchronised,
does not, or can't be asked about."""
_KIND = re.compile(r"^[a-z][a-z0-9]*\.[a-z][a-z0-9]*(-[a-z0-9]+)*\Z")
_SHA256 = re.compile(r"[0-9a-f]{64}\Z")


class FileDigest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file of the records: path relative to the records directory (``/`` between its parts, no
    ``..``), SHA-256 in hex, size in bytes. `domicile.ledger.digest_file` makes one.
    """

    path: RelativePath
    sha256: Sha256Hex
    size_bytes: Annotated[int, Meta(ge=0)]


class Body(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an entry says. Subclasses are frozen and registered with `entry_kind`.

    A field ``files: tuple[FileDigest, ...]`` names files whose digests verification recomputes.
    """

    def establishes(self) -> frozenset[str]:
        """Claims that later entries may rest on, such as ``verified:<run>/<shard>/...``."""
        return frozenset()

    def requires(self) -> frozenset[str]:
        """Claims that an earlier entry must have established."""
        return frozenset()


class Envelope(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What every entry says about itself; the body still raw, so that unknown kinds can be
    named.
    """

    body: msgspec.Raw
    charter: Sha256Hex
    clock: ClockSource
    kind: Annotated[str, Meta(pattern=_KIND.pattern, max_length=100)]
    time: EntryTime
    version: Annotated[int, Meta(ge=1)]
    policy: Sha256Hex | msgspec.UnsetType = msgspec.UNSET


@dataclass(frozen=True, slots=True)
class Entry:
    """One fact. time is cut to whole milliseconds and kept in UTC; charter and policy are the
    SHA-256 (hex) of the texts in force, which the ledger must hold before (see `texts`); clock
    names where the time comes from.

    Raises UsageError where time has no zone, charter or policy is not a SHA-256 in hex.
    """

    body: Body
    time: datetime
    charter: str
    clock: ClockSource = "system"
    policy: str | None = None

    def __post_init__(self) -> None:
        if self.time.utcoffset() is None:
            raise _unfit("an entry's time has no time zone", "a time with its zone")
        if not _SHA256.match(self.charter):
            raise _unfit("an entry does not name its charter", "the charter's SHA-256 in hex")
        if self.policy is not None and not _SHA256.match(self.policy):
            raise _unfit("an entry does not name its policy", "the policy's SHA-256 in hex")
        utc = self.time.astimezone(UTC)
        cut = utc - timedelta(microseconds=utc.microsecond % 1000)
        object.__setattr__(self, "time", cut)

    @property
    def kind(self) -> str:
        """The registered kind of the body."""
        return kind_of(type(self.body))[0]

    @property
    def version(self) -> int:
        """The version of that kind."""
        return kind_of(type(self.body))[1]


_B = TypeVar("_B", bound=Body)
_BY_KIND: dict[tuple[str, int], type[Body]] = {}
_BY_TYPE: dict[type[Body], tuple[str, int]] = {}


def entry_kind(kind: str, *, version: int) -> Callable[[type[_B]], type[_B]]:
    """Register a body type as ``part.what-happened``, version 1, 2, ...

    Raises UsageError where the name is malformed, taken, or the type is not frozen and closed.
    """

    def register(body: type[_B]) -> type[_B]:
        config = body.__struct_config__
        if not _KIND.match(kind) or version < 1:
            raise _unfit(f"{kind!r} version {version} cannot name a kind", "`part.what-happened`")
        if not config.frozen or not config.forbid_unknown_fields or config.array_like:
            raise _unfit(f"the struct of {kind} is open", "a frozen subclass of Body")
        taken = _BY_KIND.get((kind, version))
        if taken is not None and taken.__qualname__ != body.__qualname__:
            raise _unfit(f"{kind} version {version} is registered twice", "one struct per kind")
        _BY_KIND[kind, version] = body
        _BY_TYPE[body] = (kind, version)
        return body

    return register


def kind_of(body: type[Body]) -> tuple[str, int]:
    """The kind and version a type was registered as. Raises UsageError where it was not."""
    try:
        return _BY_TYPE[body]
    except KeyError:
        raise _unfit(f"{body.__name__} is not registered", "@entry_kind on the struct") from None


def registered_kinds() -> Iterator[tuple[str, int, type[Body]]]:
    """Every kind that the imported parts registered, with its version, in the order of names."""
    for kind, version in sorted(_BY_KIND):
        yield kind, version, _BY_KIND[kind, version]


def files_of(body: Body) -> tuple[FileDigest, ...]:
    """The files that a body names, if any."""
    files: object = getattr(body, "files", ())
    if not isinstance(files, tuple):
        return ()
    return tuple(file for file in files if isinstance(file, FileDigest))


def encode(entry: Entry) -> bytes:
    """The entry's bytes. Raises UsageError where it is too large, cannot be canonical JSON, or
    would not be readable again.
    """
    kind, version = kind_of(type(entry.body))
    try:
        fields = {
            "body": msgspec.to_builtins(entry.body),
            "charter": entry.charter,
            "clock": entry.clock,
            "kind": kind,
            "time": time_text(entry.time),
            "version": version,
        }
        if entry.policy is not None:
            fields["policy"] = entry.policy
        data = rfc8785.dumps(fields)
    except (rfc8785.CanonicalizationError, TypeError, ValueError) as error:
        raise _unfit(f"a {kind} entry has no canonical form: {error}", "JSON values") from error
    if len(data) > MAX_ENTRY_BYTES:
        raise _unfit(
            f"a {kind} entry has {len(data):,} bytes",
            f"at most {MAX_ENTRY_BYTES:,}: name a file by its digest instead",
        )
    try:
        decode(data)
    except EvidenceError as error:
        raise _unfit(f"a {kind} entry would be unreadable: {error.failed}", "its fields") from error
    return data


def decode(data: bytes) -> Entry:
    """Read an entry strictly. Raises EvidenceError: not canonical JSON, unknown kind or version,
    unknown, missing or malformed fields.
    """
    envelope = open_envelope(data)
    body = body_of(envelope)
    policy = None if envelope.policy is msgspec.UNSET else envelope.policy
    return Entry(body, _instant(envelope), envelope.charter, envelope.clock, policy)


def time_text(time: datetime) -> str:
    """A time of UTC as entries spell it, cut to whole milliseconds."""
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def open_envelope(data: bytes) -> Envelope:
    """Read what an entry says about itself; its kind may be unknown. Raises EvidenceError."""
    try:
        envelope = msgspec.json.decode(data, type=Envelope)
        canonical = rfc8785.dumps(msgspec.json.decode(data)) == data
    except (msgspec.MsgspecError, rfc8785.CanonicalizationError, ValueError, RecursionError) as e:
        raise _unreadable(f"it is not an entry of this ledger ({e})") from e
    if not canonical:
        raise _unreadable("it is not canonical JSON (RFC 8785)")
    _instant(envelope)
    return envelope


def body_of(envelope: Envelope) -> Body:
    """Read the body by its registered kind. Raises EvidenceError where kind or version is unknown
    or the body does not fit.
    """
    body = _BY_KIND.get((envelope.kind, envelope.version))
    if body is None:
        raise _unreadable(f"its kind {envelope.kind} version {envelope.version} is unknown here")
    try:
        return msgspec.json.decode(envelope.body, type=body)
    except (msgspec.MsgspecError, ValueError) as error:
        raise _unreadable(f"its body is not a {envelope.kind} ({error})") from error


def _instant(envelope: Envelope) -> datetime:
    try:
        return datetime.fromisoformat(envelope.time)
    except ValueError:
        raise _unreadable(f"its time {envelope.time} does not exist") from None


def _unfit(failed: str, expected: str) -> UsageError:
    return UsageError(
        failed, expected=expected, next_step="correct the part of the program that writes it"
    )


def _unreadable(failed: str) -> EvidenceError:
    return EvidenceError(
        failed,
        expected="a canonical entry of a registered kind",
        next_step="read the log with the version of Domicile that wrote it, then investigate",
    )
