"""Keys are sampled from every part of a listing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

from domicile.scan.sampling import sample_keys
from domicile.sites.objects import Attributes, DirectorySite


async def _nothing() -> AsyncIterator[bytes]:
    yield b""


async def _fill(site: DirectorySite, keys: list[str]) -> None:
    for key in keys:
        await site.write(key, _nothing(), Attributes(), 0)


def test_a_large_folder_does_not_hide_those_behind_it(tmp_path: Path) -> None:
    site = DirectorySite("s", tmp_path / "bucket", durable=False)
    site.create()
    assert sample_keys(site) == set()
    behind = ["a/b/2.png", "a/c/3.png", "c/d/4.png"]
    asyncio.run(_fill(site, [*(f"a/a/{at:04}" for at in range(1_100)), *behind]))
    found = sample_keys(site)
    assert set(behind) <= found
    assert 1_000 < len(found) < 1_100
