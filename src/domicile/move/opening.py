"""Everything at home back as plain files: whoever has the keys is never locked in.

Each file appears under its name only when all of it was authenticated. A sealed object whose id
was not proven under its key is refused, and so is an object that lies unsealed where a sealed one
was proven: somebody put it there.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from domicile.custody.sealing import SealedStore
from domicile.errors import DomicileError, EvidenceError, PlanError, SiteRefused, UsageError
from domicile.inventory import Estate, Evidence, Progress, Workplace
from domicile.move.bindings import Bound, read_bindings
from domicile.move.entries import HomeOpened, HomeOpening, ShardVerified
from domicile.move.history import is_of_objects, recorded_proofs
from domicile.move.transfer import Budget, in_flight
from domicile.sites.objects import ObjectRead, ObjectSite, ObjectVersion, encode_key

__all__ = ["Opened", "run_open"]

_NO_RUN = ""

_UNFIT = re.compile(r"[^A-Za-z0-9._-]")


def run_open(  # noqa: PLR0913 - what is opened, where, and which of it
    estate: Estate,
    evidence: Evidence,
    target: Path,
    progress: Progress,
    *,
    datasets: tuple[str, ...] = (),
    versions: bool = False,
    key: str | None = None,
) -> Opened:
    """Write home's objects into an empty or absent directory, current versions or (``versions``)
    all of them; of these datasets or this key alone, as the proofs name them, or all there is. The
    ledger is told before and after. Files are their owner's alone.

    Raises PlanError where no object store is home, UsageError where the charter has no such
    dataset or the directory holds anything, EvidenceError where a proof is not the one in the
    ledger; and like `Estate.authorise_keys`.
    """
    where = estate.boundary_name, _home_of(estate, datasets), datasets
    job = estate.job(_NO_RUN)
    if estate.seals:
        job = replace(job, keys=estate.authorise_keys("open", evidence.record))
    with contextlib.closing(Workplace(job)) as here:
        home = here.home_objects({})
        verified = filter(is_of_objects, evidence.of(ShardVerified))
        proofs = [path for body in verified for path in recorded_proofs(estate.records, body)]
        _claim(target)
        evidence.record(HomeOpening(*where))
        wanted = _Wanted(versions=versions, key=key)
        done = _open_all(home, proofs, target, progress, datasets=datasets, wanted=wanted)
    evidence.record(HomeOpened(*where, done.items, done.bytes, len(done.refused)))
    return done


def _home_of(estate: Estate, datasets: Collection[str]) -> str:
    if estate.home_objects is None:
        raise PlanError(
            "no object store is home",
            expected="a site of kind `objects` in the boundary's `home`",
            next_step="add it to the charter",
        )
    for name in datasets:
        if name not in estate.charter.objects:
            raise UsageError(
                f"the charter has no dataset {name!r} of objects",
                expected=", ".join(estate.charter.objects) or "one that it names",
                next_step="name one of them",
            )
    return estate.home_objects


@dataclass
class Opened:
    """What was written, and what was refused: key, version and why."""

    items: int = 0
    bytes: int = 0
    refused: list[tuple[str, str, DomicileError]] = field(default_factory=list)


def _open_all(
    home: ObjectSite,
    proofs: Sequence[Path],
    target: Path,
    progress: Progress,
    *,
    datasets: Collection[str],
    wanted: _Wanted,
) -> Opened:
    folders, items, size = _folders(home, wanted)
    progress.stage("open", items=items, size_bytes=size)
    opener = _Opener(home, target, folders, progress)
    for page in home.versions():
        found = [version for version in page if wanted.has(version)]
        if found:
            bound = read_bindings(proofs, found[0].key, found[-1].key)
            asyncio.run(opener.open_all(found, bound, frozenset(datasets)))
    return opener.done


@dataclass(frozen=True)
class _Wanted:
    versions: bool
    key: str | None

    def has(self, version: ObjectVersion) -> bool:
        """Whether a version is one that is opened."""
        named = self.key is None or version.key == self.key
        return named and not version.is_marker and (self.versions or version.is_latest)


def _claim(target: Path) -> None:
    try:
        target.mkdir(mode=0o700, parents=True, exist_ok=True)
        is_empty = not any(target.iterdir())
    except OSError as error:
        raise _not_written(target, error) from error
    if not is_empty:
        raise UsageError(
            f"{target} is not empty",
            expected="an empty or absent directory, for what is opened alone",
            next_step="name another directory",
        )


def _folders(home: ObjectSite, wanted: _Wanted) -> tuple[set[str], int, int]:
    """The directories that keys need, and how many objects and bytes there are."""
    folders: set[str] = set()
    items = size = 0
    for page in home.versions():
        for version in page:
            if wanted.has(version):
                items, size = items + 1, size + version.size_bytes
                folders.update(_above(encode_key(version.key)))
    return folders, items, size


def _above(names: Sequence[str]) -> Iterator[str]:
    for end in range(1, len(names)):
        yield "/".join(names[:end])


@dataclass
class _Opener:
    home: ObjectSite
    target: Path
    folders: Collection[str]
    progress: Progress
    done: Opened = field(default_factory=Opened)

    async def open_all(
        self,
        versions: Sequence[ObjectVersion],
        bound: dict[str, Bound],
        datasets: frozenset[str],
    ) -> None:
        budget = Budget()

        async def open_one(version: ObjectVersion) -> None:
            proven = bound.get(version.key)
            if not datasets or (proven is not None and proven.dataset in datasets):
                async with budget.take(version.size_bytes):
                    await self._open(version, proven)
            self.progress.advance(1, version.size_bytes)

        await in_flight(open_one, versions)

    async def _open(self, version: ObjectVersion, proven: Bound | None) -> None:
        try:
            read = await self.home.read(version.key, version.version_id)
            self._check(version, proven)
            size = await _write(self._path(version), read)
        except DomicileError as error:
            self.done.refused.append((version.key, version.version_id, error))
            return
        self.done.items += 1
        self.done.bytes += size

    def _check(self, version: ObjectVersion, proven: Bound | None) -> None:
        ids = proven.object_ids if proven else set()
        seals = self.home.seals if isinstance(self.home, SealedStore) else {}
        seal = seals.get((version.key, version.version_id))
        if seal is None and ids:
            raise _passed_off("it lies unsealed, and a sealed one was proven here")
        if seal is not None and seal.object_id.hex() not in ids:
            raise _passed_off("its object id was proven under another key, or nowhere")

    def _path(self, version: ObjectVersion) -> Path:
        """Where a version goes: its key's names, and what tells it from a directory or from other
        versions behind an ``@``, which no name holds otherwise."""
        *above, last = encode_key(version.key)
        plain = "/".join([*above, last.removesuffix("@")])
        path = plain + "@" if plain in self.folders else plain
        if not version.is_latest:
            path = f"{plain}@{_UNFIT.sub('_', version.version_id)}"
        return self.target / path


async def _write(path: Path, read: ObjectRead) -> int:
    """Write a file under its name once all of it has come; its size."""
    unfinished = path.with_name(f".{path.name}")  # which no key's name begins with
    size = 0
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                async for chunk in read.chunks:
                    file.write(chunk)
                    size += len(chunk)
            unfinished.rename(path)
        except BaseException:
            with contextlib.suppress(OSError):
                unfinished.unlink()
            raise
    except OSError as error:
        raise _not_written(path, error) from error
    return size


def _passed_off(why: str) -> EvidenceError:
    return EvidenceError(
        f"it is not what was proven at home: {why}",
        expected="the object that the inventory binds to this key",
        next_step="see who wrote there since, and restore it from a copy",
    )


def _not_written(path: Path, error: OSError) -> SiteRefused:
    return SiteRefused(
        f"{path} cannot be written ({error.strerror})",
        expected="room and permission there",
        next_step="make room, or name another directory",
    )
