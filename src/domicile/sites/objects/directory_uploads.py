"""Unfinished uploads of the directory driver, under the reserved directory at its root.

An upload is a directory named by its id: ``upload.json`` names the key, ``part-00001`` and so on
hold bytes. A write that died before it committed is an unfinished upload too: its bytes are in the
store, so they are listed and can be aborted like any other.
"""

# Paths are plain strings: Path costs more than the file system does.
# ruff: noqa: PTH104, PTH110, PTH116, PTH123, PTH208

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime

import msgspec

from domicile.errors import SiteMissing, SiteRefused
from domicile.sites.objects.directory_files import (
    fsync_directory,
    make_directory,
    prune,
    remove_files,
    write_all,
)
from domicile.sites.objects.directory_versions import clean, is_version_id, scan
from domicile.sites.objects.directory_walk import RESERVED, foreign, walk
from domicile.sites.objects.keys import encode_key
from domicile.sites.objects.model import Upload

__all__ = ["abort", "begin", "list_uploads", "put_part"]

_ID = re.compile(r"[0-9a-f]{24}")
_HEADER = "upload.json"
_DEAD_WRITE = "write-"


class _Header(msgspec.Struct, frozen=True):
    key: str
    initiated_ns: int


def begin(root: str, key: str, *, durable: bool) -> str:
    """Begin an upload and return its id."""
    now = time.time_ns()
    upload_id = f"{now:016x}{os.urandom(4).hex()}"
    directory = f"{root}/{RESERVED}/{upload_id}"
    make_directory(root, directory, durable=durable)
    _write_file(f"{directory}/{_HEADER}", msgspec.json.encode(_Header(key, now)), durable=durable)
    return upload_id


def put_part(
    root: str, site: str, upload_id: str, number: int, data: bytes, *, durable: bool
) -> None:
    """Store one part; a repeated number replaces it. Raises `SiteMissing` for an unknown id."""
    directory = f"{root}/{RESERVED}/{upload_id}"
    if _ID.fullmatch(upload_id) is None or not os.path.exists(f"{directory}/{_HEADER}"):
        raise SiteMissing(
            f"site {site}: there is no unfinished upload {upload_id!r}",
            expected="an id that begin_upload returned and that was not aborted",
        )
    _write_file(f"{directory}/part-{number:05d}", data, durable=durable)


def _write_file(path: str, data: bytes, *, durable: bool) -> None:
    temporary = f"{path}.tmp"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        write_all(descriptor, data)
        if durable:
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
    os.rename(temporary, path)
    if durable:
        fsync_directory(path.rpartition("/")[0])


def list_uploads(site: str, root: str, prefix: str) -> list[Upload]:
    """Every unfinished upload and dead write under ``prefix``, by key and age."""
    found = [upload for upload in _begun(site, root) if upload.key.startswith(prefix)]
    found.extend(_dead_writes(site, root, prefix))
    return sorted(found, key=lambda upload: (upload.key.encode(), upload.initiated))


def _begun(site: str, root: str) -> Iterator[Upload]:
    reserved = f"{root}/{RESERVED}"
    with contextlib.suppress(FileNotFoundError):
        for name in os.listdir(reserved):
            if _ID.fullmatch(name) is None:
                raise foreign(site, name)
            upload = _read_upload(site, reserved, name)
            if upload is not None:
                yield upload


def _read_upload(site: str, reserved: str, upload_id: str) -> Upload | None:
    directory = f"{reserved}/{upload_id}"
    try:
        with open(f"{directory}/{_HEADER}", "rb") as file:
            header = msgspec.json.decode(file.read(), type=_Header)
        with os.scandir(directory) as entries:
            size = sum(entry.stat().st_size for entry in entries if entry.name != _HEADER)
    except FileNotFoundError:
        return None
    except msgspec.DecodeError as error:
        raise foreign(site, f"{directory}/{_HEADER}") from error
    return Upload(header.key, upload_id, _moment(header.initiated_ns), size)


def _dead_writes(site: str, root: str, prefix: str) -> Iterator[Upload]:
    for place in walk(site, root, prefix):
        for version_id in scan(place.path).unfinished:
            size = 0
            for suffix in ("data", "tmp"):
                with contextlib.suppress(FileNotFoundError):
                    size += os.stat(f"{place.path}/{version_id}.{suffix}").st_size
            initiated = _moment(int(version_id[:16], 16))
            yield Upload(place.key, _DEAD_WRITE + version_id, initiated, size)


def _moment(nanoseconds: int) -> datetime:
    return datetime.fromtimestamp(nanoseconds / 1e9, UTC)


def abort(site: str, root: str, upload: Upload) -> None:
    """Drop an upload's parts, then the upload. Raises `SiteRefused` for a write under way."""
    if upload.upload_id.startswith(_DEAD_WRITE):
        _abort_write(site, root, upload.key, upload.upload_id.removeprefix(_DEAD_WRITE))
    elif _ID.fullmatch(upload.upload_id):
        remove_files(f"{root}/{RESERVED}/{upload.upload_id}", last=_HEADER)
        prune(root, f"{root}/{RESERVED}")
        fsync_directory(f"{root}/{RESERVED}")
        fsync_directory(root)


def _abort_write(site: str, root: str, key: str, version_id: str) -> None:
    if not is_version_id(version_id):
        return
    directory = "/".join((root, *encode_key(key)))
    if version_id in scan(directory).unfinished and not clean(directory, [version_id]):
        raise SiteRefused(
            f"site {site}: a write of {key!r} is under way",
            expected="an unfinished write that nobody works on any more",
            next_step="wait until the other process is done, or end it, and try again",
        )
    fsync_directory(prune(root, directory))
