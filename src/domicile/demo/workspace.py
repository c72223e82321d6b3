"""A workspace: the folder of one demo, with its servers, buckets and charter.

::

    WORKSPACE/
      domicile.toml         the charter
      virginia/             postgres/, media/: where the application is
      singapore/            postgres/, media/: a standby and a backup
      oracle/               postgres/, media/: home, empty at first
      custodian/            passphrase, the root of the keys once it is made, and what custodians
                            sign with: nobody else's
"""

from __future__ import annotations

import secrets
import shutil
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from string import Template

from domicile.demo import loading, objects
from domicile.demo.servers import PLACES, EmbeddedPostgres, servers, start_all, stop_all
from domicile.demo.world import World
from domicile.errors import UsageError
from domicile.sites.objects.directory import DirectorySite

__all__ = [
    "DATABASE",
    "Workspace",
    "bucket",
    "give_keys",
    "remove_workspace",
    "write_workspace",
]

DATABASE = "loopreel"

_MARK = ".domicile-demo"
_MARK_TEXT = "A workspace of `domicile demo`; the next demo here removes it.\n"


@dataclass(frozen=True, slots=True)
class Workspace:
    """What was laid out. rows: of each table in Virginia; objects: keys in its bucket."""

    directory: Path
    charter: Path
    rows: dict[str, int]
    objects: int
    seconds: float


_PEOPLE = "# Where it is written who a person is"
_KEYS = """\
# Members' objects lie sealed at home, each person's under a key of their own. Whoever has this root
# can open them all: the custodian, not the company, and nobody who only reads the store.
[boundaries.us.keys]
root = "file"                             # or an HSM, OpenBao, OCI Vault: see docs/custody.md
path = "custodian/root.key"
passphrase_file = "custodian/passphrase"
shred_days = 0                            # nothing waits here; a week, unless you say so
"""


def write_workspace(
    directory: Path,
    world: World,
    progress: Callable[[str, int], None] = lambda _what, _more: None,
) -> Workspace:
    """Make a world in an empty or absent directory; its servers run when this returns.

    progress is called with what is being made and how much more of it there is. Raises
    `UsageError` where the directory holds anything, and `SiteUnreachable` where a server does not
    start; its servers are stopped then.
    """
    started = time.monotonic()
    _claim(directory)
    try:
        rows = _databases(directory, world, progress)
        keys = _copies(directory, world, progress)
    except BaseException:
        stop_all(directory)
        raise
    charter = directory / "domicile.toml"
    charter.write_text(_charter(directory), encoding="utf-8")
    return Workspace(directory, charter, rows, keys, time.monotonic() - started)


def remove_workspace(directory: Path) -> None:
    """Stop a workspace's servers and remove it; an absent one counts as removed.

    Raises `UsageError` where the directory is not a workspace: nothing else is ever removed.
    """
    if not directory.exists():
        return
    if any(directory.iterdir()) and not (directory / _MARK).is_file():
        raise UsageError(
            f"{directory} is not a workspace of the demo",
            expected=f"a file {_MARK} in it, or an empty or absent directory",
            next_step="choose another directory",
        )
    stop_all(directory)
    for server in servers(directory).values():
        if server.socket_directory != server.directory:
            shutil.rmtree(server.socket_directory, ignore_errors=True)
    shutil.rmtree(directory)


def bucket(directory: Path, place: str) -> DirectorySite:
    """The bucket of a place, for writing without fsync."""
    return DirectorySite(f"{place}-media", directory / place / "media", durable=False)


def _claim(directory: Path) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    if any(directory.iterdir()):
        raise UsageError(
            f"{directory} is not empty",
            expected="an empty or absent directory",
            next_step="choose another directory",
        )
    (directory / _MARK).write_text(_MARK_TEXT, encoding="utf-8")


def _databases(
    directory: Path, world: World, progress: Callable[[str, int], None]
) -> dict[str, int]:
    found = servers(directory)
    virginia, oracle = found["virginia"], found["oracle"]
    progress("servers", 0)
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(EmbeddedPostgres.start, (virginia, oracle)))
    for server in (virginia, oracle):
        loading.create_database(server.url("postgres"), DATABASE)
    return loading.load(virginia.url(DATABASE), world, progress)


def _copies(directory: Path, world: World, progress: Callable[[str, int], None]) -> int:
    """Fill the buckets while the standby is made: that needs Virginia's server stopped."""
    for place in PLACES:
        bucket(directory, place).create()
    primary, backup = (bucket(directory, place) for place in ("virginia", "singapore"))
    plan = list(objects.planned(servers(directory)["virginia"].url(DATABASE), world))
    with ThreadPoolExecutor(1) as pool:
        standby = pool.submit(_make_standby, directory)
        keys = objects.fill(plan, world, primary, backup, progress)
        standby.result()
    return keys


def _make_standby(directory: Path) -> None:
    found = servers(directory)
    found["virginia"].stop()
    found["singapore"].become_copy_of(found["virginia"])
    start_all(directory)


def give_keys(directory: Path) -> None:
    """Have the charter name a root of the boundary's keys (which `domicile custody create` makes)
    and the custodian keep a passphrase for it."""
    passphrase = directory / "custodian" / "passphrase"
    passphrase.parent.mkdir(mode=0o700)
    passphrase.touch(mode=0o600)
    passphrase.write_text(secrets.token_urlsafe(24), encoding="ascii")
    charter = directory / "domicile.toml"
    above, people, below = charter.read_text(encoding="utf-8").partition(_PEOPLE)
    charter.write_text(f"{above}{_KEYS}\n\n{people}{below}", encoding="utf-8")


def _charter(directory: Path) -> str:
    text = resources.files("domicile.demo").joinpath("charter.toml.template")
    urls = {f"{place}_url": server.url(DATABASE) for place, server in servers(directory).items()}
    return Template(text.read_text(encoding="utf-8")).substitute(urls)
