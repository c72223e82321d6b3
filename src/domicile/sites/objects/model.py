"""What an object store is to Domicile: every version, delete marker and unfinished upload.

The two drivers (`directory`, `s3`) implement `ObjectSite`; one contract suite holds them to it.
A driver knows nothing of charters' datasets, persons or policy.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol

from domicile.errors import SiteRefused

__all__ = [
    "Attributes",
    "BucketRule",
    "Capabilities",
    "DeleteFailure",
    "Hold",
    "ObjectRead",
    "ObjectSite",
    "ObjectVersion",
    "Span",
    "Upload",
    "VersionRef",
]


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a store can do; what it lacks is declared here and never worked around silently.

    versions: the bucket keeps noncurrent versions and delete markers (versioning is on).
    tags: object tags are stored and returned.
    uploads: unfinished multipart uploads can be listed and aborted.
    holds: versions may be under retention or legal hold (S3 Object Lock is on).
    """

    versions: bool
    tags: bool
    uploads: bool
    holds: bool


@dataclass(frozen=True, slots=True)
class ObjectVersion:
    """One version of a key, or a delete marker (``is_marker``), as the store lists it.

    version_id is ``"null"`` where the store keeps no versions. etag is an opaque change detector,
    never a hash. size_bytes is 0 for a marker.
    """

    key: str
    version_id: str
    is_latest: bool
    is_marker: bool
    size_bytes: int
    etag: str
    modified: datetime


@dataclass(frozen=True, slots=True)
class Upload:
    """A multipart upload that was begun and neither completed nor aborted."""

    key: str
    upload_id: str
    initiated: datetime
    size_bytes: int


@dataclass(frozen=True, slots=True)
class VersionRef:
    """Names one version of one key."""

    key: str
    version_id: str


@dataclass(frozen=True, slots=True)
class Hold:
    """Why a version may not be deleted: ``governance retention``, ``compliance retention``,
    ``legal hold``, or both. until is when the retention ends (UTC, whole seconds, never too early);
    None for a legal hold alone, which ends when somebody lifts it."""

    reason: str
    until: datetime | None


@dataclass(frozen=True, slots=True)
class DeleteFailure:
    """A version that the store did not delete, with its own words (no secrets), and the hold that
    it is under, if that was why."""

    ref: VersionRef
    reason: str
    hold: Hold | None = None


@dataclass(frozen=True, slots=True)
class BucketRule:
    """Something that a bucket does by itself, or somebody whom it lets in. All of it is the store's
    own text.

    what: the lifecycle rule's name; the bucket that objects or logs are copied to; what lets
    everybody in (``public``), who else is let in (``shared``), or whom a policy names and the store
    alone could tell from the owner (``named``); which kind of rules is ``unseen``; nothing where
    single objects may have ACLs (``acls``). prefix: of the keys that a lifecycle rule is about.
    """

    kind: Literal[
        "expiration",
        "archive",
        "replication",
        "logging",
        "public",
        "shared",
        "named",
        "acls",
        "unseen",
    ]
    what: str
    prefix: str = ""


@dataclass(frozen=True, slots=True)
class Attributes:
    """What travels with an object's bytes. Header names are lower case; metadata keys as the
    store returns them (S3 lower-cases them)."""

    content_type: str = ""
    cache_control: str = ""
    content_disposition: str = ""
    content_encoding: str = ""
    content_language: str = ""
    metadata: tuple[tuple[str, str], ...] = ()  # sorted by key
    tags: tuple[tuple[str, str], ...] = ()  # sorted by key


@dataclass(frozen=True, slots=True)
class Span:
    """Some bytes of an object: from ``start``, which it must have, up to ``end`` (exclusive), or
    its own end where that comes before."""

    start: int
    end: int

    def __post_init__(self) -> None:
        """Raises ValueError for a span that no bytes are in."""
        if not 0 <= self.start < self.end:
            raise ValueError((self.start, self.end))

    def within(self, size_bytes: int, what: str) -> Span:
        """What there is of it in an object of this size. Raises SiteRefused, naming ``what``, where
        the object ends before it."""
        if size_bytes <= self.start:
            raise SiteRefused(
                f"{what} has {size_bytes:,} bytes, and byte {self.start:,} is behind its end",
                expected="a span that begins within the object",
                next_step="read its size first",
            )
        return Span(self.start, min(self.end, size_bytes))


@dataclass(slots=True)
class ObjectRead:
    """An open read: attributes first, then the bytes, once. size_bytes is the whole object's, also
    where only a span of it is read. etag and modified (whole seconds): as `ObjectVersion` has
    them."""

    attributes: Attributes
    size_bytes: int
    version_id: str
    etag: str
    modified: datetime
    chunks: AsyncIterator[bytes] = field(repr=False)


class ObjectSite(Protocol):
    """A bucket, or a directory that keeps versions, markers and uploads as a bucket does.

    Every method raises `SiteUnreachable`, `SiteRefused` or `SiteMissing`, with the site's name,
    and retries what is safe to retry before it does. Keys are any Unicode of 1 to 1,024 UTF-8
    bytes: ``//``, a leading ``/``, ``..`` and ``%2F`` mean themselves.
    """

    @property
    def name(self) -> str:
        """The site's name in the charter."""
        ...

    def capabilities(self) -> Capabilities:
        """What this store can do, found out by asking it (cached)."""
        ...

    def check(self, *, write: bool) -> None:
        """Reach the store and read its listing; with ``write`` also prove that a probe object can
        be written and deleted. Raises a SiteError that says what is wrong."""
        ...

    def versions(
        self, prefix: str = "", after: str = "", until: str = ""
    ) -> Iterator[list[ObjectVersion]]:
        """Every version and delete marker under ``prefix`` whose key comes after ``after`` and,
        where there is an ``until``, not after that, in pages of up to 1,000, in key order (UTF-8
        bytes), a key's newest version first. A key's versions may straddle pages."""
        ...

    def uploads(self, prefix: str = "") -> Iterator[list[Upload]]:
        """Every unfinished multipart upload, in pages; nothing where the store has none."""
        ...

    async def read(
        self, key: str, version_id: str | None = None, span: Span | None = None
    ) -> ObjectRead:
        """Open one version (None: the current one), whole or a span of it. Raises `SiteMissing`
        where it is not there or is a delete marker, `SiteRefused` where it ends before the span."""
        ...

    async def write(
        self, key: str, chunks: AsyncIterator[bytes], attributes: Attributes, size_bytes: int
    ) -> str:
        """Write a new current version of known size and return its version id (``"null"`` where
        there are none). Durable when it returns. Large objects go in parts with bounded memory; a
        failed write leaves no unfinished upload behind where the store lets us abort it."""
        ...

    async def put_marker(self, key: str) -> str:
        """Put a delete marker on top of a key and return its version id."""
        ...

    def delete(self, refs: Sequence[VersionRef]) -> list[DeleteFailure]:
        """Delete these very versions and markers, by id; absent ones count as deleted. What is
        held stays, and its failure says so; no hold is ever bypassed."""
        ...

    def holds(self, refs: Sequence[VersionRef]) -> dict[VersionRef, Hold]:
        """Those of these versions that are held now, a request for each; none of them where the
        store has no holds. Delete markers and unfinished uploads never are."""
        ...

    def rules(self) -> list[BucketRule]:
        """What the store does to its objects by itself and whom it lets in, by asking it."""
        ...

    def abort(self, upload: Upload) -> None:
        """Abort an unfinished upload and drop its parts; an absent one counts as aborted."""
        ...

    def close(self) -> None:
        """Release connections."""
        ...
