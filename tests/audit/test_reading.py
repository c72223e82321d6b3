"""What an auditor sees of sealed objects, without the keys, which are the custodian's."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import Any

from domicile.audit.reading import Shard, compare_at_home, read_shard
from domicile.audit.statement import SiteSeen
from domicile.charter import load_charter
from domicile.inventory import Estate, Workplace, read_batches
from domicile.move import ShardVerified
from domicile.sites.objects import VersionRef
from tests.erase.shredding import EVERYBODY, RUN, ShredWorld, _plan


def audited(world: ShredWorld) -> SiteSeen:
    """What is seen at home of the shard, where the root is not in reach."""
    (verified,) = [body for body in world.recorded() if isinstance(body, ShardVerified)]
    with Estate(load_charter(world.charter), {}) as estate:
        here = Workplace(estate.job(RUN))
        (home,) = read_shard(here, Shard(_plan(RUN), verified, (), ()))
        here.close()
    return home


def test_a_sealed_object_is_told_by_its_id_and_size_and_is_not_opened(tmp_path: Path) -> None:
    (tmp_path / "reel").mkdir()
    world = ShredWorld(tmp_path / "reel")
    shutil.rmtree(world.base / "custodian")
    everybody = len(EVERYBODY)
    assert audited(world) == SiteSeen("oracle", "home", everybody, 0, everybody, 0, 0)
    assert audited(world).outcome == "sealed"

    with Estate(load_charter(world.charter), {}) as estate:
        home = estate.objects("oracle")
        first, second, *_ = [v for page in home.versions() for v in page]
        proof = next(p for p in proofs(world) if p["key"] == second.key)
        assert asyncio.run(compare_at_home(home, proof)) == ("sealed", "")
        for wrong in ({"object_ids": ["ab" * 16]}, {"size_bytes": proof["size_bytes"] + 1}):
            unlike, reason = asyncio.run(compare_at_home(home, {**proof, **wrong}))
            assert (unlike, reason) == ("unlike", "not the sealed object of the proof")
        assert not list(home.delete([VersionRef(first.key, first.version_id)]))
    seen = audited(world)
    assert (seen.sealed, seen.unlike, seen.outcome) == (everybody - 1, 1, "different")
    assert seen.reason == "the version that was proven is not there"


def proofs(world: ShredWorld) -> list[dict[str, Any]]:
    (path,) = world.records.glob("runs/*/verified/*.parquet")
    return list(read_batches(path))


def test_a_store_that_is_not_there_is_not_read_and_nothing_in_it_is_missing(tmp_path: Path) -> None:
    world = ShredWorld(tmp_path / "reel")
    (world.base / "oracle").rename(tmp_path / "elsewhere")
    seen = audited(world)
    assert (seen.unread, seen.unlike, seen.as_said) == (len(EVERYBODY), 0, 0)
    assert not seen.holds
