"""The page that says what was measured. Ratios only: absolute times say more of the machine."""

from __future__ import annotations

import math
import os
import platform
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from bench import custody, ledger, listing, objects, people, policy, rows
from bench.categories import Figures as CategoryFigures
from bench.custody import Figures as CustodyFigures
from bench.ledger import Figures as LedgerFigures
from bench.ledger_world import ENTRIES, ENTRY_BYTES, IN_TIME_S
from bench.listing import Listing
from bench.objects import Figures as ObjectFigures
from bench.objects import Sealed, Shares
from bench.people import Story
from bench.policy import Figures as PolicyFigures
from bench.rows import Figures as RowFigures
from bench.rows import Whole
from bench.services import rclone
from domicile.ledger.journal import KEPT_SEGMENTS, SEGMENT_BYTES

__all__ = ["LIMIT_MIB", "Measured", "write"]

LIMIT_MIB = 400
TARGET = 0.8
JOURNAL_MIB = (KEPT_SEGMENTS + 2) * SEGMENT_BYTES >> 20
"""Those kept, the one being written and the spare one."""
BUSY = 0.1
_ROUGH = "**The machine was busy with other work: these figures are rough.**"
_CORE_HOUR_USD = 0.05
"""What clouds ask for a general core, about."""


@dataclass
class Measured:
    """Everything measured. peaks: the largest process in MiB by what was run."""

    objects: list[ObjectFigures]
    shares: Shares
    rows: list[RowFigures]
    peaks: dict[str, int]
    cores: int
    listing: Listing | None = None
    ledger: LedgerFigures | None = None
    sealed: Sealed = field(default_factory=Sealed)
    custody: CustodyFigures | None = None
    policy: PolicyFigures | None = None
    whole: Whole = field(default_factory=Whole)
    people: list[Story] = field(default_factory=list)
    categories: dict[str, CategoryFigures] = field(default_factory=dict)


def write(path: Path, found: Measured) -> None:
    """Write the page."""
    parts = [_top(found), *([_objects(found)] if found.objects else [])]
    parts += [*([_listing(found.listing)] if found.listing else [])]
    parts += [*([_rows(found)] if found.rows else [])]
    parts += [*([_people(found.people)] if found.people else [])]
    parts += [*([_ledger(found.ledger)] if found.ledger else [])]
    parts += [*([_custody(found.custody)] if found.custody else [])]
    parts += [*([_policy(found.policy)] if found.policy else [])]
    parts += [*([_categories(found.categories)] if found.categories else []), _memory(found)]
    path.write_text("\n".join(line for part in parts for line in part))


def _top(found: Measured) -> list[str]:
    return [
        "# Benchmarks",
        "",
        "Written by `make bench`; run it to see what your machine says. Ours and theirs ran in",
        "turns on the same machine, servers included. Where a section does not say otherwise, a",
        "figure is our time over theirs: the median of pairs, then the least and the greatest.",
        "Below 1, ours is faster.",
        "",
        *_versions(found),
        "",
    ]


def _versions(found: Measured) -> list[str]:
    ours = f"{found.cores} cores, Python {platform.python_version()}"
    if not found.objects and not found.rows:
        return [f"{ours}."]
    return [
        f"{ours},",
        f"{_version([rclone(), 'version'])}, {rows.versions()},",
        f"{_version(['radosgw', '--version']).split(' (')[0]}.",
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
    lines += [
        "",
        "The same `move` with home sealed under a key a person goes at",
        f"{found.sealed.moving} of the speed of the unsealed one, `verify` at",
        f"{found.sealed.verifying}. The target is 0.85.",
    ]
    if shares.others.median > BUSY:
        lines += [_ROUGH]
    return [*lines, ""]


def _listing(found: Listing) -> list[str]:
    return [
        "## Listing a bucket",
        "",
        "Here the figure is our speed over theirs: above 1, ours is faster.",
        "",
        f"{found.keys:,} keys of one bucket of Ceph RGW, half of them in",
        f"{listing.FOLDERS} numbered folders, half flat, by their hashes. Ours: every version and",
        "delete marker, in order, as `scan` lists them, by several requests at a time. Theirs:",
        f"`list` of obstore {found.version}, which tells what is current, in one chain of pages:",
        f"{found.speed}. The target is 0.8.",
        *([_ROUGH] if found.load > 1 else []),
        "",
    ]


def _rows(found: Measured) -> list[str]:
    lines = [
        "## Rows: Debian's PostgreSQL to the same",
        "",
        f"Members' subset, {rows.MEMBERS_ROWS:,} rows of three tables in a chain of foreign keys,",
        f"of {rows.ALL_ROWS:,}.",
        "",
        "Ours: `domicile move`, then `domicile verify` (both sides read again, SHA-256), without",
        "`scan` and `plan`. Theirs: a text pipe a table (`psql -c 'COPY (subset) TO STDOUT' |",
        "psql -c 'COPY FROM STDIN'`), one table after the other, which proves nothing.",
        "",
        "Without keys, indexes and statistics on either side, from tables that are there: ours is",
        "the copy, as the ledger's entries time it, and the whole of `verify`. The target is 0.6",
        f"of the pipes' speed, that is {1 / 0.6:.2f}.",
        "",
        "| workers | copy / pipes | copy + verify / pipes |",
        "| --- | --- | --- |",
        *(f"| {each.workers} | {each.copying} | {each.bare} |" for each in found.rows),
        "",
        "With everything, start-up and ledger included; theirs is `pg_dump` of the schema, the",
        "pipes, indexes and constraints, ANALYZE:",
        "",
        "| workers | move | verify | move + verify |",
        "| --- | --- | --- | --- |",
        *(
            f"| {each.workers} | {each.moving} | {each.verifying} | {each.both} |"
            for each in found.rows
        ),
    ]
    if found.whole.both.values:
        lines += [
            "",
            f"The whole database ({rows.ALL_ROWS:,} rows, everybody a member, one worker) against",
            "`pgcopydb clone` with two jobs, and the sums of hashes that its later versions",
            f"compare: move / clone {found.whole.moving},",
            f"move + verify / clone + compare {found.whole.both}. The target is 1.",
        ]
    return [*lines, ""]


def _people(stories: list[Story]) -> list[str]:
    least = stories[0]
    lines = [
        "## People: what one costs as there are more",
        "",
        "The demo's story at several sizes, two workers, every server on the same machine; one",
        "object for four people, small ones, in directories. Seconds a person, over those at",
        f"{least.people:,} people; one run each.",
        "",
        f"| people | {' | '.join(people.STEPS)} | all | largest process |",
        f"| --- |{' --- |' * (len(people.STEPS) + 2)}",
    ]
    for each in stories:
        scale = least.people / each.people
        steps = [each.seconds[step] / least.seconds[step] * scale for step in people.STEPS]
        cells = [f"{cell:.2f}" for cell in (*steps, each.whole / least.whole * scale)]
        lines.append(f"| {each.people:,} | {' | '.join(cells)} | {each.peak_mib} MiB |")
    fits = [f"{step} {people.exponent(stories, step):.2f}" for step in people.STEPS]
    return [
        *lines,
        "",
        "Fitted as a power of the number of people (1: a person costs the same however many there",
        f"are; below 1: what a command costs at all is shared by more): {', '.join(fits)};",
        f"all {people.exponent(stories):.2f}.",
        "",
        *_a_billion(*stories[-2:]),
        "",
    ]


def _a_billion(before: Story, largest: Story) -> list[str]:
    hours = largest.whole / largest.people * 1e9 / 3600
    growth = largest.whole / largest.people / (before.whole / before.people)
    tenfold = growth ** (1 / math.log10(largest.people / before.people))
    worse = hours * tenfold ** math.log10(1e9 / largest.people)
    cores = os.cpu_count() or 1
    price = cores * _CORE_HOUR_USD
    return [
        "A billion people like these, at the largest world's cost a person, would take about",
        f"{hours:,.0f} hours of a machine as this one ({cores} cores, databases included), or",
        f"{hours * price:,.0f} USD at {_CORE_HOUR_USD} USD a core and hour. But each of",
        f"{largest.people:,} cost {growth:.1f} times what each of {before.people:,} did. If it",
        f"went on so with every tenfold, it would be {worse:,.0f} hours and",
        f"{worse * price:,.0f} USD. No figure here shows so far out. It leaves out what the demo",
        "has little of: bytes of media, networks between places, and storage.",
    ]


def _ledger(found: LedgerFigures) -> list[str]:
    most, usual = found.proof_files
    share = sorted(found.in_time)
    return [
        "## The ledger",
        "",
        "Here every figure is our speed over theirs: above 1, ours is faster.",
        "",
        f"Appending: {ledger.CALLERS} callers, each of whom waits for its entry of {ENTRY_BYTES}",
        "bytes to be durable before it gives the next one; the tree grows in a process of its own,",
        "checkpoints signed with Ed25519 and ML-DSA-44, encoding included. Theirs: the same rows",
        "committed one by one to SQLite (WAL, synchronous = FULL) on the same disk. The target is",
        "5. Callers of another process share its connection, as those of a server do.",
        "",
        "| what | ours / theirs |",
        "| --- | --- |",
        f"| callers in {ledger.CLIENTS} other processes, through the socket | {found.sockets} |",
        f"| threads of the sequencer's own process | {found.threads} |",
        f"| entries through the socket, over bare fdatasyncs | {found.per_sync} |",
        "",
        "At half of the socket's rate, whether earlier ones are done or not,",
        f"{share[len(share) // 2]:.2%} ({share[0]:.2%} to {share[-1]:.2%}) of the entries",
        f"were durable within {IN_TIME_S * 1000:.0f} ms of when they were due. The target is 99%.",
        "",
        f"Verifying {ENTRIES:,} entries: tree, tiles, signatures, canonical form, fields, claims.",
        "Theirs: reading the same bundles and the SHA-256 of each entry, in one process. The",
        "target is 0.5.",
        "",
        "| workers | by the clock | by processor time |",
        "| --- | --- | --- |",
        *(f"| {n} | {ratios} | {found.processor[n]} |" for n, ratios in found.verifying.items()),
        "",
        f"A log of {ENTRIES:,} entries takes {found.storage:.3f} times their bytes, all that is",
        "published counted (the target is 1.1). The sequencer's journal beside it held",
        f"{found.private_mib:.0f} MiB: the last requests, so that they can be repeated; never more",
        f"than {JOURNAL_MIB} MiB. An entry with its proof out of the stored tiles takes",
        f"{usual:.0f} files, at most {most}, the checkpoint included.",
        "",
    ]


def _custody(found: CustodyFigures) -> list[str]:
    made, rotated, scrubbed = found.row_bytes
    lines = [
        "## Custody",
        "",
        "Here too every figure is our speed over theirs: above 1, ours is faster.",
        "",
        f"{custody.KEYS:,} persons' keys, made in one call, then brought under a new key of the",
        "boundary, in one process. Theirs: random keys wrapped with one AES-GCM cipher of",
        "`cryptography`, the same rows in the same SQLite table by `executemany`, in the same",
        "order, of the same durability; then unwrapped, wrapped and updated in the same batches.",
        "",
        "| what | ours / theirs | keys a second | target |",
        "| --- | --- | --- | --- |",
        f"| making | {found.creating} | {_median(found.created_s):,.0f} | 50,000 |",
        f"| rotating | {found.rewrapping} | {_median(found.rewrapped_s):,.0f} | |",
        "",
        f"A key takes {made:.0f} bytes of the file as made, {rotated:.0f} after the rotation,",
        f"{scrubbed:.0f} after a shred has written the file anew. The target is 120. A single warm",
        f"look-up, unwrapping included, took {found.percentile_us(0.5):.0f} µs in the median,",
        f"{found.percentile_us(0.99):.0f} µs at the 99th percentile. The target is 100.",
        "",
        "Sealing and opening in memory, a new object each time; what comes is not kept.",
        "Theirs: `encrypt_into` and `decrypt_into` of `cryptography` with a cipher made for each",
        "object: no header, no derived key, no segments, into the same buffer again and again. The",
        "target is 0.6 from 1 MiB on.",
        "",
        "| object | sealing | opening |",
        "| --- | --- | --- |",
    ]
    lines += [
        f"| {size >> 10} KiB | {found.sealing[size]} | {found.opening[size]} |"
        for size in found.sealing
    ]
    return [*lines, ""]


def _policy(found: PolicyFigures) -> list[str]:
    rows = [
        ("at the desk, asked before", found.warm_desk_s, "20 µs, 100 µs"),
        ("of the policy alone, asked before", found.warm_policy_s, ""),
        ("at the desk, never asked", found.cold_desk_s, "5 ms"),
        ("of the policy alone, never asked", found.cold_policy_s, ""),
    ]
    lines = [
        "## Decisions",
        "",
        f"{policy.STAFF:,} staff, {policy.POLICIES} policies, one process. The desk first looks",
        "up how things stand, by the ledger's last entry. The targets are absolute here.",
        "",
        "| decision | median | 99th percentile | target |",
        "| --- | --- | --- | --- |",
        *(
            f"| {what} | {_us(seconds, 0.5)} | {_us(seconds, 0.99)} | {target} |"
            for what, seconds, target in rows
        ),
        "",
        "By processor time, a question never asked before took the desk",
        f"{_us(found.cold_processor_s, 0.5)} in the median and",
        f"{_us(found.cold_processor_s, 0.99)} at the 99th percentile.",
        "",
        "From the entry with which a command of another process restricts somebody, to the",
        f"server's first refusal of their token, it took {max(found.revoked_s):.2f} s, the longest",
        f"of {len(found.revoked_s)}. The target is 1 s.",
    ]
    if found.others > BUSY:
        lines += ["**The machine was busy with other work: these figures are rough.**"]
    return [*lines, ""]


def _us(seconds: list[float], share: float) -> str:
    """The time in microseconds within which this share was answered."""
    return f"{sorted(seconds)[int(share * (len(seconds) - 1))] * 1e6:,.1f} µs"


def _categories(found: dict[str, CategoryFigures]) -> list[str]:
    lines = [
        "## What `domicile init` recognises",
        "",
        "Columns with known categories, judged by name, type and made-up values. Precision: of the",
        "columns that were given a category, the share that has it. Recall: of the columns that",
        "have one, the share that was given it. A category within the other counts",
        "(`user.content` for `user.content.private`); *exact* is the share that is the same.",
        "",
        "The held-out columns were labelled before the recognisers were written, and nothing was",
        "tuned to what they miss; by the same author, though, with values from a generator, so a",
        "stranger's schema will do worse. Both labelled sets are in `bench/columns`, with order",
        "numbers that look like phone numbers, versions like addresses, dates that are no births",
        "and decimals that are no coordinates.",
        "",
        "| columns | of them personal | precision | recall | exact |",
        "| --- | --- | --- | --- | --- |",
    ]
    lines += [
        f"| {name}: {each.columns} | {each.personal} | {each.precision:.3f} | {each.recall:.3f} |"
        f" {each.exact / max(each.right, 1):.2f} |"
        for name, each in found.items()
    ]
    told = [each for name, each in found.items() if "held out" not in name and "empty" not in name]
    missed = [column for each in told for column in each.missed]
    wrong = [column for each in told for column in each.wrong if column not in missed]
    lines += [
        "",
        "Missed or wrong category, of those not held out: "
        + ", ".join(f"`{c}`" for c in missed)
        + ".",
    ]
    if wrong:
        lines += ["", "Given one without having any: " + ", ".join(f"`{c}`" for c in wrong) + "."]
    return [*lines, ""]


def _median(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]


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
