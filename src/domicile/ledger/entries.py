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
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any, Literal, Protocol, TypeVar

import msgspec
import rfc8785
from msgspec import Meta, defstruct

from domicile.errors import EvidenceError, UsageError
from domicile.ledger.canonical import Plain, is_canonical
from domicile.ledger.tiles import MAX_ENTRY_BYTES

__all__ = [
    "Body",
    "ClockSource",
    "Count",
    "Entry",
    "EntryTime",
    "Envelope",
    "FileDigest",
    "Opened",
    "Pseudonym",
    "Sha256Hex",
    "body_of",
    "decode",
    "encode",
    "entry_kind",
    "files_of",
    "kind_hint",
    "kind_modules",
    "kind_of",
    "open_envelope",
    "open_quickly",
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
_TIMES = re.compile(r"(?:\d{4}-\d\d-\d\dT(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d\.\d{3}Z)*", re.ASCII)
_TIME_TO_END = len('","time":"2026-01-01T00:00:00.000Z","version":1}')


Count = Annotated[int, Meta(ge=0, le=2**53 - 1)]
"""A number that every reader of JSON keeps. Bounded so, entries are read quicker."""


class FileDigest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file of the records: path relative to the records directory (``/`` between its parts, no
    ``..``), SHA-256 in hex, size in bytes. `domicile.ledger.digest_file` makes one.
    """

    path: RelativePath
    sha256: Sha256Hex
    size_bytes: Count


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


class Opened(Protocol):
    """What an entry says about itself; the body by its registered kind."""

    @property
    def body(self) -> Body: ...  # noqa: D102
    @property
    def charter(self) -> str: ...  # noqa: D102
    @property
    def clock(self) -> ClockSource: ...  # noqa: D102
    @property
    def kind(self) -> str: ...  # noqa: D102
    @property
    def time(self) -> str: ...  # noqa: D102


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

    @property
    def policy_sha256(self) -> str | None:
        """The policy that it names, if it names one."""
        return None if self.policy is msgspec.UNSET else self.policy


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
_PLAIN: dict[type[Body], Plain[Any] | None] = {}  # filled as they are needed


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


def kind_modules() -> tuple[str, ...]:
    """The modules that register the kinds known here: for a process that knows none yet."""
    return tuple(sorted({body.__module__ for body in _BY_KIND.values()}))


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
    fields = {
        "body": entry.body,
        "charter": entry.charter,
        "clock": entry.clock,
        "kind": kind,
        "time": time_text(entry.time),
        "version": version,
    }
    if entry.policy is not None:
        fields["policy"] = entry.policy
    plain = _plain(type(entry.body))
    data = plain.write(fields) if plain is not None else None
    if plain is None or data is None or not plain.can_read(data):
        data = _encode_carefully(fields)
    if len(data) > MAX_ENTRY_BYTES:
        raise _unfit(
            f"a {kind} entry has {len(data):,} bytes",
            f"at most {MAX_ENTRY_BYTES:,}: name a file by its digest instead",
        )
    return data


def _encode_carefully(fields: dict[str, Any]) -> bytes:
    kind = fields["kind"]
    try:
        data = rfc8785.dumps(msgspec.to_builtins(fields))
    except (rfc8785.CanonicalizationError, TypeError, ValueError) as error:
        raise _unfit(f"a {kind} entry has no canonical form: {error}", "JSON values") from error
    if len(data) <= MAX_ENTRY_BYTES:
        try:
            decode(data)
        except EvidenceError as error:
            failed = f"a {kind} entry would be unreadable: {error.failed}"
            raise _unfit(failed, "its fields") from error
    return data


def decode(data: bytes) -> Entry:
    """Read an entry strictly. Raises EvidenceError: not canonical JSON, unknown kind or version,
    unknown, missing or malformed fields.
    """
    if quick := open_quickly([data]):
        return _entry(quick[0], quick[0].body)
    envelope = open_envelope(data)
    return _entry(envelope, body_of(envelope))


def time_text(time: datetime) -> str:
    """A time of UTC as entries spell it, cut to whole milliseconds."""
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def kind_hint(data: bytes) -> bytes:
    """Equal for entries that may be of one kind and version, by where canonical ones name them."""
    at = data.rfind(b'"kind":"') + 8
    return data[at:-_TIME_TO_END] + data[-2:-1]


def open_quickly(entries: Sequence[bytes]) -> Sequence[Opened] | None:
    """`open_envelope` and `body_of` for entries of one kind at once. None where one of them is
    unfit, of another kind, or of one that cannot be read so: then each is to be looked at."""
    kind, version = kind_hint(entries[0])[:-1].decode(errors="replace"), entries[0][-2:-1]
    body = _BY_KIND.get((kind, int(version) if version.isdigit() else 0))
    plain = _plain(body) if body is not None else None
    opened = plain.read_all(entries) if plain is not None else None
    return opened if opened is not None and _fit(opened) else None


def _fit(opened: Sequence[Opened]) -> bool:
    """What an Envelope's fields must be beyond their types, for many at once."""
    times = [each.time for each in opened]
    try:
        for day in {time[:10] for time in times}:
            date.fromisoformat(day)
    except ValueError:
        return False
    return (
        all(_SHA256.match(charter) for charter in {each.charter for each in opened})
        and _TIMES.fullmatch("".join(times)) is not None
    )


def _plain(body: type[Body]) -> Plain[Any] | None:
    """For the whole entries of a registered type, if it is plain."""
    if body not in _PLAIN:
        kind, version = _BY_TYPE[body]
        fields = [
            ("body", body),
            ("charter", str),
            ("clock", ClockSource),
            ("kind", Literal[kind]),
            ("time", str),
            ("version", Literal[version]),
        ]
        entry = defstruct("Entry", fields, frozen=True, forbid_unknown_fields=True, gc=False)
        _PLAIN[body] = Plain.of(entry)
    return _PLAIN[body]


def open_envelope(data: bytes) -> Envelope:
    """Read what an entry says about itself; its kind may be unknown. Raises EvidenceError."""
    try:
        envelope = msgspec.json.decode(data, type=Envelope)
        canonical = is_canonical(data)
    except (msgspec.MsgspecError, rfc8785.CanonicalizationError, ValueError, RecursionError) as e:
        raise _unreadable(f"it is not an entry of this ledger ({e})") from e
    if not canonical:
        raise _unreadable("it is not canonical JSON (RFC 8785)")
    _instant(envelope.time)
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


def _entry(said: Opened | Envelope, body: Body) -> Entry:
    policy = said.policy_sha256 if isinstance(said, Envelope) else None
    return Entry(body, _instant(said.time), said.charter, said.clock, policy)


def _instant(time: str) -> datetime:
    try:
        return datetime.fromisoformat(time)
    except ValueError:
        raise _unreadable(f"its time {time} does not exist") from None


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
