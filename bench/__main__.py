"""``python -m bench``: measure everything and write docs/benchmarks.md.

``--pairs N`` and the names of parts (``objects``, ``listing``, ``rows``, ``people``, ``ledger``,
``custody``, ``policy``, ``categories``) make a quicker run, which prints and writes nothing.
``--people N`` adds a world of so many.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from pathlib import Path

from bench import categories, custody, ledger, listing, objects, page, people, policy, rows
from bench.services import Missing, Rgw, postgres15, postgres18, require

PAGE = Path(__file__).parents[1] / "docs" / "benchmarks.md"
PARTS = ["objects", "listing", "rows", "people", "ledger", "custody", "policy", "categories"]
HUGE_BYTES = 1 << 30


def main() -> int:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(prog="python -m bench")
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []])
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--people", type=int, action="append", default=[])
    asked = parser.parse_args()
    parts = asked.parts or PARTS
    try:
        if set(parts) - {"ledger", "custody", "policy", "categories"}:
            require()
        found = measure(parts, asked.pairs, tuple(asked.people))
    except Missing as error:
        print(f"make bench: {error}", file=sys.stderr)
        return 2
    target = Path(os.devnull) if asked.parts else PAGE
    page.write(target, found)
    page.write(Path("/dev/stdout"), found)
    too_large = [what for what, mib in found.peaks.items() if mib >= page.LIMIT_MIB]
    return 1 if too_large else 0


def measure(parts: list[str], pairs: int, more: tuple[int, ...] = ()) -> page.Measured:
    """The parts, one after the other, each on servers of its own."""
    found = page.Measured([], objects.Shares(), [], {}, os.cpu_count() or 1)
    if "categories" in parts:
        found.categories = categories.measure_all()
    # Short: the path of a socket is.
    directory = Path(tempfile.mkdtemp(prefix="domicile-bench-"))
    directory.chmod(0o755)
    try:
        if "objects" in parts:
            _objects(directory, pairs, found)
        if "listing" in parts:
            print("listing: starting a server, filling a bucket", flush=True)
            with Rgw.running(directory / "rgw-listing") as server:
                found.listing = listing.measure(server, pairs)
            found.peaks[f"listing {found.listing.keys:,} versions"] = found.listing.peak_mib
        if "rows" in parts:
            _rows(directory, pairs, found)
        if "people" in parts:
            print("people", flush=True)
            found.people = people.measure(directory / "people", (*people.PEOPLE, *more))
        if "ledger" in parts:
            print("ledger", flush=True)
            found.ledger = ledger.measure(directory / "ledger", pairs)
            found.peaks |= found.ledger.peaks
        if "custody" in parts:
            print("custody", flush=True)
            found.custody = custody.measure(directory / "custody", pairs)
        if "policy" in parts:
            print("policy", flush=True)
            found.policy = policy.measure(directory / "policy", pairs)
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    return found


def _objects(directory: Path, pairs: int, found: page.Measured) -> None:
    print("objects: starting servers, filling a bucket", flush=True)
    with (
        postgres18(directory / "people") as database,
        Rgw.running(directory / "rgw") as server,
    ):
        world = objects.ObjectWorld(
            server, objects.people(database), server.bucket(), directory / "objects"
        )
        objects.fill(world, (objects.SMALL, objects.LARGE))
        found.objects, found.shares, found.sealed = objects.measure(world, pairs)
        print("objects: memory", flush=True)
        objects.fill_huge(world, HUGE_BYTES)
        charter = world.charter(server.bucket())
        for step in ("move", "verify"):
            ran = objects.ours(world, charter, step, memory=True)
            found.peaks[f"{step}, objects, one of them of 1 GiB"] = ran.peak_mib


def _rows(directory: Path, pairs: int, found: page.Measured) -> None:
    print("rows: starting servers, generating rows", flush=True)
    with postgres15(directory / "15") as server:
        world = rows.generate(server, server, directory / "rows")
        found.rows = rows.measure(world, pairs)
        found.whole = rows.measure_whole(world, pairs)
        print("rows: memory", flush=True)
        charter = world.charter(server.fresh())
        for step in ("move", "verify"):
            ran = rows.ours(charter, step, 2, memory=True)
            found.peaks[f"{step}, {rows.MEMBERS_ROWS:,} rows"] = ran.peak_mib


if __name__ == "__main__":
    sys.exit(main())
