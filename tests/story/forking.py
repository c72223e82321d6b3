"""Commands from a process that has imported them already, which forks one for each request.

Importing is half of what a command of the story does. A forked command is a process like any other,
but for that: its own group, environment, output and end, and nothing that an earlier one left. Sets
are iterated alike in all of them; where two commands are compared they are started afresh. Root
keys in files are derived cheaply (see `tests.services.roots`).
"""

from __future__ import annotations

import gc
import importlib
import os
import runpy
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import msgspec

__all__ = ["Forker", "forker"]

_MOST_BYTES = 1 << 20
_PATIENCE_S = 120
_ENDED = b""


class Forker:
    """The process that forks; it ends with its socket. environ: what it imports under."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._channel, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._channel.settimeout(_PATIENCE_S)
        with far:
            self._process = subprocess.Popen(
                [sys.executable, __file__, str(far.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[far.fileno()],
                env=environ,
                start_new_session=True,
            )

    def run(
        self,
        words: Sequence[str],
        environ: Mapping[str, str],
        directory: Path | None = None,
        stdin: str = "",
    ) -> tuple[int, str, str]:
        """Run ``domicile`` with these words to its end: exit code, output, errors."""
        with (
            tempfile.TemporaryFile() as out,
            tempfile.TemporaryFile() as err,
            tempfile.TemporaryFile() as given,
        ):
            given.write(stdin.encode())
            given.seek(0)
            request = msgspec.json.encode((words, environ, str(directory or Path.cwd())))
            files = [out.fileno(), err.fileno(), given.fileno()]
            socket.send_fds(self._channel, [request], files)
            command = int(self._channel.recv(_MOST_BYTES))
            try:
                code = int(self._channel.recv(_MOST_BYTES))
            except TimeoutError:
                os.killpg(command, signal.SIGKILL)
                raise
            out.seek(0)
            err.seek(0)
            return code, out.read().decode(), err.read().decode()

    def close(self) -> None:
        self._channel.close()
        self._process.wait(_PATIENCE_S)


@cache
def forker() -> Forker:
    """The one that commands share which need none of their own; the run's end closes it."""
    source = Path(__file__).parents[2] / "src"
    return Forker({**os.environ, "PYTHONPATH": str(source)})


def _serve(channel: socket.socket) -> bool:
    """Fork for each request. True in a command that is to run, False at the end."""
    while True:
        request, descriptors, _, _ = socket.recv_fds(channel, _MOST_BYTES, 3)
        if request == _ENDED:
            return False
        command = os.fork()
        if command == 0:
            channel.close()
            _become(*msgspec.json.decode(request, type=tuple[list[str], dict[str, str], str]))
            for target, descriptor in zip((1, 2, 0), descriptors, strict=False):
                os.dup2(descriptor, target)
                os.close(descriptor)
            return True
        for descriptor in descriptors:
            os.close(descriptor)
        channel.send(str(command).encode())
        channel.send(str(os.waitstatus_to_exitcode(os.waitpid(command, 0)[1])).encode())


def _become(words: list[str], environ: dict[str, str], directory: str) -> None:
    os.setsid()
    os.chdir(directory)
    os.environ.clear()
    os.environ.update(environ)
    sys.argv = ["domicile", *words]


def _import_commands() -> None:
    sys.path.pop(0)  # this folder is no part of what a command sees
    main = importlib.import_module("domicile.cli.main")
    for name in main.COMMANDS:
        importlib.import_module(f"domicile.cli.{name}")
    for name in ("domicile.state", "domicile.sites.objects.s3"):
        importlib.import_module(name)
    roots = runpy.run_path(str(Path(__file__).parents[1] / "services" / "roots.py"))
    roots["derive_cheaply"]()
    gc.freeze()  # a forked command leaves these pages alone


if __name__ == "__main__":
    _import_commands()
    with socket.socket(fileno=int(sys.argv[1])) as _channel:
        _is_command = _serve(_channel)
    if _is_command:
        runpy.run_module("domicile", run_name="__main__", alter_sys=True)
