"""What only the directory driver promises: crashes, other processes, foreign files."""

from __future__ import annotations

import asyncio
import errno
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest

from domicile.errors import SiteMissing, SiteRefused, SourceChanged
from domicile.sites.objects import DirectorySite, Upload
from domicile.sites.objects.keys import encode_key
from tests.sites.object_tools import NONE, listed, read, refs, write

WRITER = """
import asyncio, sys, pathlib
from domicile.sites.objects import Attributes, DirectorySite
site = DirectorySite("site", pathlib.Path(sys.argv[1]))
async def body():
    yield b"half"
    print("written", flush=True)
    await asyncio.sleep(60)
asyncio.run(site.write("dir/key", body(), Attributes(), 8))
"""

ENDLESS = """
import asyncio, sys, pathlib
from domicile.sites.objects import Attributes, DirectorySite
site = DirectorySite("site", pathlib.Path(sys.argv[1]))
async def body(n):
    for _ in range(8):
        yield bytes([n % 256]) * 1000
async def main():
    n = 0
    while True:
        n += 1
        version = await site.write(f"k/{n % 5}", body(n), Attributes(), 8000)
        print(f"k/{n % 5} {version}", flush=True)
asyncio.run(main())
"""


@pytest.fixture
def site(tmp_path: Path) -> DirectorySite:
    found = DirectorySite("site", tmp_path / "root")
    found.create()
    return found


def root_of(site: DirectorySite) -> Path:
    return Path(site._root)


def start(script: str, site: DirectorySite) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", script, str(root_of(site))],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )


def test_a_write_under_way_is_seen_as_an_upload_and_cannot_be_aborted(site: DirectorySite) -> None:
    with start(WRITER, site) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "written\n"
        assert listed(site) == []
        (upload,) = next(site.uploads())
        assert (upload.key, upload.size_bytes) == ("dir/key", 4)
        with pytest.raises(SiteRefused, match="under way"):
            site.abort(upload)
        writer.kill()
    site.abort(upload)
    assert list(site.uploads()) == []
    assert list(root_of(site).iterdir()) == []


def test_what_a_killed_writer_left_is_cleaned_by_the_next_write(site: DirectorySite) -> None:
    with start(WRITER, site) as writer:
        assert writer.stdout is not None
        writer.stdout.readline()
        writer.kill()
    assert len(next(site.uploads())) == 1
    write(site, "dir/key", b"whole")
    assert list(site.uploads()) == []
    assert [path.suffix for path in root_of(site).rglob("*@/*")].count(".data") == 1


@pytest.mark.parametrize("delay_ms", [20, 60, 110, 170])
def test_a_writer_killed_anywhere_never_shows_half_an_object(
    site: DirectorySite, delay_ms: int
) -> None:
    with start(ENDLESS, site) as writer:
        assert writer.stdout is not None
        first = writer.stdout.readline()
        time.sleep(delay_ms / 1000)
        writer.send_signal(signal.SIGKILL)
        acknowledged = [first, *writer.stdout.readlines()]
    found = listed(site)
    for version in found:
        data = read(site, version.key, version.version_id)[1]
        assert len(data) == 8000
        assert len(set(data)) == 1
    names = {f"{version.key} {version.version_id}\n" for version in found}
    assert {line for line in acknowledged if line.endswith("\n")} <= names
    assert len(names) - len(acknowledged) <= 1


def test_version_ids_sort_by_creation_though_the_clock_goes_back(
    site: DirectorySite, monkeypatch: pytest.MonkeyPatch
) -> None:
    moments = iter([5_000, 4_000, 1_000, 9_000])
    monkeypatch.setattr(time, "time_ns", lambda: next(moments, 9_999))
    written = [write(site, "key", str(number).encode()) for number in range(4)]
    assert written == sorted(written)
    assert [version.version_id for version in listed(site)] == written[::-1]


def write_many(root: Path, worker: int) -> list[str]:
    site = DirectorySite("site", root, durable=False)
    return [write(site, f"shared/{number % 3}", bytes([worker])) for number in range(100)]


def test_processes_that_write_the_same_keys_lose_nothing(site: DirectorySite) -> None:
    with ProcessPoolExecutor(4) as pool:
        written = list(pool.map(write_many, [root_of(site)] * 4, range(4)))
    ids = [version_id for worker in written for version_id in worker]
    assert len(set(ids)) == 400
    assert {version.version_id for version in listed(site)} == set(ids)


def churn(root: Path, worker: int) -> int:
    site = DirectorySite("site", root, durable=False)
    failures = 0
    for _ in range(150):
        version_id = write(site, "deep/er/key", bytes([worker]))
        mine = [v for v in refs(listed(site)) if v.version_id == version_id]
        failures += len(mine) != 1 or bool(site.delete(mine))
    return failures


def test_pruning_never_pulls_a_directory_from_under_a_writer(site: DirectorySite) -> None:
    with ProcessPoolExecutor(3) as pool:
        assert list(pool.map(churn, [root_of(site)] * 3, range(3))) == [0, 0, 0]
    assert listed(site) == []
    assert list(root_of(site).iterdir()) == []


@pytest.mark.parametrize("foreign", ["video.mp4", "dir/video.mp4", "key@/notes.txt", ".hidden"])
def test_a_foreign_file_is_refused_and_never_skipped(site: DirectorySite, foreign: str) -> None:
    write(site, "key")
    path = root_of(site) / foreign
    path.parent.mkdir(exist_ok=True)
    path.write_text("somebody's data")
    with pytest.raises(SiteRefused, match="not a stored object"):
        listed(site)
    with pytest.raises(SiteRefused):
        site.check(write=False)


def test_a_link_out_of_the_root_is_refused(site: DirectorySite, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (root_of(site) / "link").symlink_to(outside)
    with pytest.raises(SiteRefused):
        listed(site)


def test_a_damaged_sidecar_is_refused(site: DirectorySite) -> None:
    version_id = write(site, "key")
    (root_of(site) / "key@" / f"{version_id}.json").write_text("{")
    with pytest.raises(SiteRefused, match="damaged"):
        listed(site)
    with pytest.raises(SiteRefused, match="damaged"):
        read(site, "key")


@pytest.mark.parametrize("size", [100, 3 << 20])
def test_bytes_that_were_cut_off_are_not_passed_on(site: DirectorySite, size: int) -> None:
    version_id = write(site, "key", b"x" * size)
    os.truncate(root_of(site) / "key@" / f"{version_id}.data", size - 1)
    with pytest.raises(SourceChanged):
        read(site, "key")


def test_an_interrupted_deletion_is_still_listed_and_can_be_repeated(site: DirectorySite) -> None:
    version_id = write(site, "key", b"private")
    (root_of(site) / "key@" / f"{version_id}.data").unlink()
    found = refs(listed(site))
    assert [ref.version_id for ref in found] == [version_id]
    with pytest.raises(SiteMissing):
        read(site, "key")
    assert site.delete(found) == []
    assert list(root_of(site).iterdir()) == []


def test_a_deleted_version_stays_readable_for_who_has_it_open(site: DirectorySite) -> None:
    write(site, "key", b"x" * (5 << 20))

    async def read_deleted() -> int:
        opened = await site.read("key")
        site.delete(refs(listed(site)))
        return sum([len(chunk) async for chunk in opened.chunks])

    assert asyncio.run(read_deleted()) == 5 << 20


def test_files_are_for_their_owner_only(site: DirectorySite) -> None:
    write(site, "dir/key", b"private")
    for path in root_of(site).rglob("*"):
        assert path.stat().st_mode & 0o077 == 0


def test_a_directory_that_is_not_there_is_missing(tmp_path: Path) -> None:
    site = DirectorySite("site", tmp_path / "absent")
    for call in (
        lambda: listed(site),
        lambda: write(site, "a/b"),
        lambda: read(site, "a"),
        lambda: site.begin_upload("a"),
        lambda: site.check(write=True),
    ):
        with pytest.raises(SiteMissing):
            call()
    assert not (tmp_path / "absent").exists()


def test_a_full_disk_is_refused_and_leaves_nothing(
    site: DirectorySite, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(site, "before")

    def full(_descriptor: int, _data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        with pytest.raises(SiteRefused, match="No space left"):
            write(site, "after")
    assert [version.key for version in listed(site)] == ["before"]
    assert list(site.uploads()) == []


def test_a_file_that_may_not_grow_is_refused(site: DirectorySite) -> None:
    """A real limit of the kernel's, where the test above only plays one."""
    script = (
        "import resource, signal, sys, pathlib\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "from domicile.errors import SiteRefused\n"
        "from domicile.sites.objects import DirectorySite\n"
        "from tests.sites.object_tools import write\n"
        "try: write(DirectorySite('site', pathlib.Path(sys.argv[1])), 'key', b'x' * 5000)\n"
        "except SiteRefused: print('refused')\n"
    )
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[1] != 0
    with start(script, site) as writer:
        assert writer.communicate()[0] == "refused\n"
    assert listed(site) == []
    assert list(root_of(site).iterdir()) == []


def test_a_version_id_is_never_a_path(site: DirectorySite, tmp_path: Path) -> None:
    write(site, "key")
    outside = tmp_path / "outside.json"
    outside.write_text("{}")
    with pytest.raises(SiteMissing):
        read(site, "key", "../../../outside")
    for ref in refs(listed(site)):
        assert site.delete([type(ref)("key", "../../../outside")]) == []
    site.abort(Upload("key", "../../outside", listed(site)[0].modified, 0))
    assert outside.exists()


def test_parts_are_replaced_and_unknown_uploads_are_missing(site: DirectorySite) -> None:
    upload_id = site.begin_upload("key")
    site.put_part(upload_id, 1, b"12345")
    site.put_part(upload_id, 1, b"123")
    site.put_part(upload_id, 2, b"4")
    assert [upload.size_bytes for upload in next(site.uploads())] == [4]
    with pytest.raises(SiteMissing):
        site.put_part("../elsewhere", 1, b"x")
    with pytest.raises(SiteMissing):
        site.put_part("0" * 24, 1, b"x")


def test_a_quick_store_holds_the_same(site: DirectorySite, tmp_path: Path) -> None:
    quick = DirectorySite("quick", tmp_path / "root", durable=False)
    write(quick, "key", b"quick")
    assert read(site, "key")[1] == b"quick"


def test_every_acknowledged_file_was_fsynced(
    site: DirectorySite, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []
    fsync = os.fsync

    def record(descriptor: int) -> None:
        synced.append(str(Path(f"/proc/self/fd/{descriptor}").readlink()))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", record)
    version_id = write(site, "new/key")
    key_directory = root_of(site).joinpath(*encode_key("new/key"))
    expected = {
        str(key_directory / f"{version_id}.data"),
        str(key_directory / f"{version_id}.tmp"),
        str(key_directory),
        str(key_directory.parent),
        str(root_of(site)),
    }
    assert set(synced) == expected
    assert synced[-1] == str(key_directory)
    synced.clear()
    site.delete(refs(listed(site)))
    assert synced == [str(root_of(site))]


def test_a_cancelled_commit_is_whole_or_absent(site: DirectorySite) -> None:
    async def body() -> AsyncIterator[bytes]:
        yield b"12345"

    async def cancel_after(delay_s: float) -> None:
        writing = asyncio.create_task(site.write("key", body(), NONE, 5))
        await asyncio.sleep(delay_s)
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)

    for step in range(20):
        asyncio.run(cancel_after(step / 5000))
    for version in listed(site):
        assert read(site, "key", version.version_id)[1] == b"12345"
    assert list(site.uploads()) == []
