"""The page that says what was measured. Ratios only: absolute times say more of the machine."""

from __future__ import annotations

import platform
import subprocess
from dataclasses import dataclass
from pathlib import Path

from bench import objects, rows
from bench.objects import Figures as ObjectFigures
from bench.objects import Shares
from bench.rows import Figures as RowFigures
from bench.services import rclone

__all__ = ["LIMIT_MIB", "Measured", "write"]

LIMIT_MIB = 400
TARGET = 0.8
BUSY = 0.1


@dataclass
class Measured:
    """Everything measured. peaks: the largest process in MiB by what was run."""

    objects: list[ObjectFigures]
    shares: Shares
    rows: list[RowFigures]
    peaks: dict[str, int]
    cores: int


def write(path: Path, found: Measured) -> None:
    """Write the page."""
    parts = [_top(found), *([_objects(found)] if found.objects else [])]
    parts += [*([_rows(found)] if found.rows else []), _memory(found)]
    path.write_text("\n".join(line for part in parts for line in part))


def _top(found: Measured) -> list[str]:
    return [
        "# Benchmarks",
        "",
        "Written by `make bench`; run it to see what your machine says. Ours and theirs ran in",
        "turns on the same machine, servers included. Every figure is our time over theirs: the",
        "median of pairs, then the least and the greatest. Below 1, ours is faster.",
        "",
        f"{found.cores} cores, Python {platform.python_version()},",
        f"{_version([rclone(), 'version'])}, {rows.versions()},",
        f"{_version(['radosgw', '--version']).split(' (')[0]}.",
        "",
    ]


def _objects(found: Measured) -> list[str]:
    (many, small), (few, large) = objects.SMALL, objects.LARGE
    lines = [
        "## Objects: Ceph RGW to Ceph RGW",
        "",
        f"{many:,} objects of {small >> 10} KiB and {few} of {large >> 20} MiB, random, between",
        "two buckets of one server that keeps objects in memory; a fresh bucket for every run.",
        "",
        "Ours: `domicile move --workers 2`, then `domicile verify --workers 2` (both sides read",
        "back, SHA-256, attributes compared), start-up, result files and ledger included, `scan`",
        "and `plan` not. Theirs: `rclone copy`, then `rclone check --download`, with their listing",
        "and start-up, between two remotes, so that the bytes pass through the client.",
        "",
        "| rclone's flags | whole: ours / theirs | move / copy | verify / check | ours / copy |",
        "| --- | --- | --- | --- | --- |",
    ]
    lines += [
        f"| {each.flags} | {each.both} | {each.moving} | {each.verifying} | {each.against_copy} |"
        for each in found.objects
    ]
    shares = found.shares
    lines += [
        "",
        f"The target is {TARGET} of copy + check. Of the processors' time during our runs the",
        f"server took {shares.server.median:.0%}, Domicile {shares.ours.median:.0%}, everything",
        f"else on the machine {shares.others.median:.0%}.",
    ]
    if shares.others.median > BUSY:
        lines += ["**The machine was busy with other work: these figures are rough.**"]
    return [*lines, ""]


def _rows(found: Measured) -> list[str]:
    lines = [
        "## Rows: PostgreSQL 15 to 18",
        "",
        f"Members' subset, {rows.ROWS:,} rows of three tables in a chain of foreign keys, out of",
        "twice as many.",
        "",
        "Ours: `domicile move`, then `domicile verify`, start-up, ledger, schema, indexes,",
        "constraints and ANALYZE included, `scan` and `plan` not. Theirs, to the same end:",
        "`pg_dump` of the schema, a text pipe a table (`psql -c 'COPY (subset) TO STDOUT' | psql",
        "-c 'COPY FROM STDIN'`), indexes and constraints, ANALYZE. They prove nothing; each of our",
        "figures is over the whole of theirs.",
        "",
        "| workers | move | verify | move + verify |",
        "| --- | --- | --- | --- |",
    ]
    lines += [
        f"| {each.workers} | {each.moving} | {each.verifying} | {each.both} |"
        for each in found.rows
    ]
    return [*lines, ""]


def _memory(found: Measured) -> list[str]:
    lines = [
        "## Peak memory",
        "",
        f"The largest of all processes, parent and workers, must stay under {LIMIT_MIB} MiB.",
        "",
        "| what | largest process |",
        "| --- | --- |",
    ]
    lines += [f"| {what} | {mib} MiB |" for what, mib in found.peaks.items()]
    return [*lines, ""]


def _version(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return done.stdout.split("\n", 1)[0].strip()
