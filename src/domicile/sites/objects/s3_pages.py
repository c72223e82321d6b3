"""Pages of S3's listings, from their XML. Pure.

A general parser takes as long over a page as the store does, and boto3's four times as long; it
also sorts versions and delete markers into two lists, whose common order is then lost. Here only
documents are read whose entries are as S3 writes them: elements without attributes, text in them.
Any other is refused, whole: no entry is ever passed over.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple
from urllib.parse import unquote_plus

from domicile.sites.objects.model import ObjectVersion

__all__ = ["NotAListing", "Page", "parse_objects", "parse_versions"]

_FIELDS = ("Key", "VersionId", "IsLatest", "Size", "ETag", "LastModified")
_ENTITY = re.compile(r"&(?:#x([0-9A-Fa-f]{1,6})|#([0-9]{1,7})|(amp|lt|gt|quot|apos));")
_NAMED = {"amp": "&", "lt": "<", "gt": ">", "quot": '"', "apos": "'"}


class NotAListing(ValueError):
    """A document that is no page of a listing."""


@dataclass(frozen=True, slots=True)
class Page:
    """What a page lists, in its order. following: where the next one begins: behind a key, or
    behind the version of it (a token of the store's, without versions) that the second text names;
    None on the last page."""

    versions: list[ObjectVersion]
    following: tuple[str, str] | None


class _Kind(NamedTuple):
    """A kind of document. entry: finds one with its fields; begin: where one begins."""

    root: str
    entry: re.Pattern[str]
    begin: re.Pattern[str]


def _kind(root: str, names: str) -> _Kind:
    # Possessive: no text, however it is made, is tried twice.
    fields = "|".join(rf"<{name}>([^<]*)</{name}>\s*" for name in _FIELDS)
    others = rf"<(?!/?(?:{names})\b)[^>]*>[^<]*"
    entry = rf"<({names})>\s*(?:{fields}|{others})*+</\1>"
    return _Kind(root, re.compile(entry), re.compile(rf"<(?:{names})\b"))


_VERSIONS = _kind("ListVersionsResult", "Version|DeleteMarker")
_OBJECTS = _kind("ListBucketResult", "Contents")


def parse_versions(body: bytes) -> Page:
    """A page of ListObjectVersions. Raises `NotAListing`.

    Ceph RGW says that it encodes keys, and leaves NextKeyMarker as it is: see `_next_key`.
    """
    text, read = _opened(body, _VERSIONS)
    versions = _entries(text, _VERSIONS, read)
    if _header(text, "IsTruncated") != "true":
        return Page(versions, None)
    marker, last = _header(text, "NextKeyMarker"), versions[-1].key if versions else ""
    key = _next_key({_plain(marker), read(marker)}, last) if marker else last
    return Page(versions, (key, _header(text, "NextVersionIdMarker")))


def _next_key(readings: set[str], last: str) -> str:
    """Behind which key the next page begins: the last one that this page lists, where the marker
    may be read so; else the first that does not lie before it. A page that then lists again what
    came before is refused; behind a later one, keys could be passed over."""
    ahead = [reading for reading in readings if reading >= last]
    if not ahead:
        raise NotAListing("the next page would begin before this one's last key")
    return min(ahead)


def parse_objects(body: bytes) -> Page:
    """A page of ListObjectsV2. Raises `NotAListing`."""
    text, read = _opened(body, _OBJECTS)
    versions = _entries(text, _OBJECTS, read)
    if _header(text, "IsTruncated") != "true":
        return Page(versions, None)
    last = versions[-1].key if versions else ""
    return Page(versions, (last, _plain(_header(text, "NextContinuationToken"))))


def _opened(body: bytes, kind: _Kind) -> tuple[str, Callable[[str], str]]:
    """The document, and how its keys are read."""
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise NotAListing("not UTF-8") from error
    is_whole = text.rstrip().endswith((f"</{kind.root}>", "/>")) and f"<{kind.root}" in text
    if not is_whole or "<!" in text:
        raise NotAListing(f"no {kind.root}, not all of it, or a document type in it")
    return text, _decoded if _header(text, "EncodingType") == "url" else _plain


def _header(text: str, name: str) -> str:
    """An element beside the entries: no element of these has such a name."""
    begin, end = f"<{name}>", f"</{name}>"
    return text.partition(begin)[2].partition(end)[0] if begin in text else ""


def _entries(text: str, kind: _Kind, read: Callable[[str], str]) -> list[ObjectVersion]:
    found = kind.entry.findall(text)
    if len(found) != len(kind.begin.findall(text)) or not all(fields[1] for fields in found):
        raise NotAListing("an entry of another form, or without a key")
    try:
        return [
            ObjectVersion(
                read(key),
                _plain(version_id) or "null",
                is_latest != "false",
                (is_marker := name == "DeleteMarker"),
                0 if is_marker else int(size),
                "" if is_marker else _plain(etag),
                _moment(modified),
            )
            for name, key, version_id, is_latest, size, etag, modified in found
        ]
    except ValueError as error:
        raise NotAListing("an entry without size or date") from error


def _decoded(text: str) -> str:
    text = text.replace("%2F", "/")  # in most keys the only escape; "%" itself is "%25"
    return unquote_plus(_plain(text)) if "%" in text or "+" in text else _plain(text)


def _plain(text: str) -> str:
    if "&" not in text:
        return text
    text = text.replace("&quot;", '"')  # what it may be part of begins with "&amp;"
    return _ENTITY.sub(_character, text) if "&" in text else text


def _character(entity: re.Match[str]) -> str:
    hexadecimal, decimal, named = entity.groups()
    return _NAMED[named] if named else chr(int(hexadecimal or decimal, 16 if hexadecimal else 10))


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo is UTC else moment.astimezone(UTC)
