"""The directory driver's tree: from a prefix to its keys, in order, without holding them all.

The order of file names is not the order of keys (encoding changes it, and a long segment is cut).
`walk` sorts each level by the keys themselves: a key is its bytes, a subtree its bytes and ``/``.
No sibling begins with another subtree's ``.../``, so sorted levels make a sorted whole.
"""

# Paths are plain strings: Path costs more than the file system does.
# ruff: noqa: PTH119

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass

from domicile.errors import SiteRefused
from domicile.sites.objects.keys import KEY_MARK, MORE_MARK, decode_segment

__all__ = ["RESERVED", "KeyDirectory", "foreign", "walk"]

RESERVED = ".uploads"


@dataclass(frozen=True, slots=True)
class KeyDirectory:
    """The directory that holds one key's versions."""

    key: str
    path: str


@dataclass(frozen=True, slots=True, order=True)
class _Child:
    sort_key: bytes  # the key, or the subtree's common beginning with its "/"
    is_key: bool
    path: str


def foreign(site: str, path: str) -> SiteRefused:
    """The error for a file that this driver did not put there: it is never skipped silently."""
    return SiteRefused(
        f"site {site}: {os.path.basename(path)!r} in the directory is not a stored object",
        expected="a directory that only Domicile's directory driver writes to",
        next_step="move foreign files out of it, or write them through the driver",
    )


def walk(site: str, root: str, prefix: str = "", after: str = "") -> Iterator[KeyDirectory]:
    """Every key's directory under ``prefix`` whose key comes after ``after``, in the order of the
    keys' UTF-8 bytes.

    Raises `SiteRefused` on a foreign file, and `OSError` where the root cannot be read.
    """
    wanted, passed = prefix.encode(), after.encode()
    levels = [_level(site, root, b"", wanted, passed)]
    while levels:
        child = next(levels[-1], None)
        if child is None:
            levels.pop()
        elif child.is_key:
            yield KeyDirectory(child.sort_key.decode(), child.path)
        else:
            levels.append(_level(site, child.path, child.sort_key, wanted, passed))


def _level(site: str, path: str, above: bytes, wanted: bytes, passed: bytes) -> Iterator[_Child]:
    children = [
        child
        for child in _children(site, path, above, ())
        if (
            child.sort_key.startswith(wanted)
            or (not child.is_key and wanted.startswith(child.sort_key))
        )
        and (child.sort_key > passed or (not child.is_key and passed.startswith(child.sort_key)))
    ]
    children.sort()
    return iter(children)


def _children(site: str, path: str, above: bytes, pieces: tuple[str, ...]) -> Iterator[_Child]:
    for entry in _entries(path, is_root=not above and not pieces):
        name, more = entry.name, entry.name.endswith(MORE_MARK)
        if not entry.is_dir(follow_symlinks=False):
            raise foreign(site, entry.path)
        if more:
            yield from _children(site, entry.path, above, (*pieces, name))
            continue
        is_key = name.endswith(KEY_MARK)
        segment = decode_segment((*pieces, name.removesuffix(KEY_MARK)))
        if segment is None or not _is_text(segment):
            raise foreign(site, entry.path)
        sort_key = above + segment + (b"" if is_key else b"/")
        if not sort_key:  # no key is empty
            raise foreign(site, entry.path)
        yield _Child(sort_key, is_key, entry.path)


def _entries(path: str, *, is_root: bool) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(path) as entries:
            return [entry for entry in entries if not (is_root and entry.name == RESERVED)]
    except FileNotFoundError:
        if is_root:
            raise
        return []  # its last key was deleted while we walked


def _is_text(segment: bytes) -> bool:
    try:
        segment.decode()
    except UnicodeDecodeError:
        return False
    return True
