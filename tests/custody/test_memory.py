"""A process that opened keys leaves no core dump behind, however it dies."""

from __future__ import annotations

import os
import resource
import sys
from pathlib import Path

import pytest

from domicile.custody.file_root import FileRoot

PASSPHRASE = "correct horse battery staple"
DIE = """
import os, sys
from pathlib import Path
from domicile.charter import FileKeys
from domicile.custody.opening import create_root, file_passphrase, open_root
if len(sys.argv) > 1:
    keys = FileKeys(root="file", path=sys.argv[2], passphrase_env="PHRASE")
    globals()[sys.argv[1]](keys, Path(), os.environ)
os.abort()
"""


def dumps_core(directory: Path, *words: str) -> bool:
    """Whether a process that uses a root (or none) and dies leaves a core dump, where it may have
    one of any size."""
    child = os.fork()
    if child == 0:
        os.chdir(directory)
        _, most = resource.getrlimit(resource.RLIMIT_CORE)
        resource.setrlimit(resource.RLIMIT_CORE, (most, most))
        environ = {**os.environ, "PHRASE": PASSPHRASE}
        os.execve(sys.executable, [sys.executable, "-c", DIE, *words], environ)  # noqa: S606 - ours
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status)
    return os.WCOREDUMP(status)


@pytest.mark.parametrize("use", ["create_root", "file_passphrase", "open_root"])
def test_whoever_used_a_root_leaves_no_core_dump(tmp_path: Path, use: str) -> None:
    root = tmp_path / "root"
    if use == "open_root":
        FileRoot.create(root, PASSPHRASE)
    if not dumps_core(tmp_path):
        pytest.skip("this machine writes no core dumps at all")
    assert not dumps_core(tmp_path, use, str(root))
