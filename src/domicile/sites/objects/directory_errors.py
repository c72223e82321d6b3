"""What the file system's answers mean, as our errors."""

# Paths are plain strings: Path costs more than the file system does.
# ruff: noqa: PTH112

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator

from domicile.errors import SiteError, SiteMissing, SiteRefused, SiteUnreachable, SourceChanged

__all__ = ["damaged", "no_such_version", "site_errors"]

_REFUSALS = {
    errno.EACCES,
    errno.EDQUOT,
    errno.EFBIG,
    errno.EMFILE,
    errno.ENAMETOOLONG,
    errno.ENFILE,
    errno.ENOSPC,
    errno.ENOTDIR,
    errno.EPERM,
    errno.EROFS,
}


@contextlib.contextmanager
def site_errors(site: str, root: str, doing: str, key: str = "") -> Iterator[None]:
    """Raise `SiteMissing`, `SiteRefused` or `SiteUnreachable` for an `OSError`."""
    try:
        yield
    except OSError as error:
        what = f"{doing} {key!r}" if key else doing
        raise _explained(site, root, what, error) from error


def _explained(site: str, root: str, doing: str, error: OSError) -> SiteError:
    what = f"site {site}: {doing} failed: {error.strerror}"
    if not os.path.isdir(root):
        return SiteMissing(
            f"site {site}: the directory {root!r} is not there",
            expected="a directory that exists",
            next_step="create it or mount it, or correct the site's url in the charter",
        )
    if error.errno == errno.ENOENT:
        return SiteMissing(what, next_step="scan again if the site has changed since")
    if error.errno in _REFUSALS:
        return SiteRefused(what, next_step="check free space, quota and permissions")
    return SiteUnreachable(what, next_step="check the disk or mount, then try again")


def no_such_version(site: str, key: str) -> SiteMissing:
    """There is no version, or it is a delete marker."""
    return SiteMissing(
        f"site {site}: there is no such version of {key!r}",
        expected="the current version, or one that the listing names",
        next_step="scan again if the site has changed since",
    )


def damaged(site: str, key: str) -> SourceChanged:
    """A version's file is not what was written."""
    return SourceChanged(
        f"site {site}: the bytes of {key!r} are not as long as when they were written",
        expected="files that only the directory driver writes to",
        next_step="restore the file from a copy of the directory",
    )
