"""Directories and files as the directory driver makes, removes and fsyncs them."""

# Paths are plain strings: Path costs more than the file system does.
# ruff: noqa: PTH102, PTH106, PTH108, PTH112, PTH208

from __future__ import annotations

import contextlib
import os

__all__ = ["fsync_directory", "make_directory", "prune", "remove_files", "write_all"]


def make_directory(root: str, directory: str, *, durable: bool) -> bool:
    """Make ``directory`` and what is missing above it, but never ``root``; True if it is new.

    Raises `FileNotFoundError` where the root is not there.
    """
    is_new = False
    missing = [directory]
    while missing:
        path = missing[-1]
        parent = path.rpartition("/")[0]
        try:
            os.mkdir(path, 0o700)
        except FileExistsError:
            pass
        except FileNotFoundError:
            if parent == root and not os.path.isdir(root):
                raise
            missing.append(parent)
            continue
        else:
            is_new = path == directory
            if durable:
                fsync_directory(parent)
        missing.pop()
    return is_new


def prune(root: str, directory: str) -> str:
    """Remove empty directories from ``directory`` up to below ``root``; returns the first that
    stays, whose fsync makes the removal durable."""
    while len(directory) > len(root):
        try:
            os.rmdir(directory)
        except FileNotFoundError:
            pass
        except OSError:
            return directory
        directory = directory.rpartition("/")[0]
    return directory


def remove_files(directory: str, *, last: str) -> None:
    """Remove a flat directory, the file ``last`` after all others; absent ones are well."""
    with contextlib.suppress(FileNotFoundError):
        for name in sorted(os.listdir(directory), key=lambda name: name == last):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(f"{directory}/{name}")
        os.rmdir(directory)


def fsync_directory(path: str) -> None:
    """Make a directory's entries durable; one that was removed meanwhile needs nothing."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_all(descriptor: int, data: bytes) -> None:
    """Write every byte."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
