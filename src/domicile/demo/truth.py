"""The world knows the truth: whose everything was, and so what must be where afterwards.

``python -m domicile.demo.truth snapshot WORKSPACE`` before a move, and ``... compare WORKSPACE``
after the erasure: every problem on one line, exit code 1 if there is any. It holds a digest per
row in memory: for worlds of up to some hundred thousand people.
"""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec
import psycopg

from domicile.demo.servers import servers
from domicile.demo.truth_objects import Objects, compare_objects, read_objects
from domicile.demo.truth_rows import Rows, compare_rows, read_rows
from domicile.demo.workspace import DATABASE, bucket
from domicile.demo.world import HOME_COUNTRY
from domicile.errors import UsageError
from domicile.sites.objects import ObjectSite

__all__ = ["Truth", "compare_truth", "main", "snapshot_truth"]

_LEFT = ("virginia", "singapore")
_FILE = "truth.json"


class Truth(msgspec.Struct, frozen=True):
    """A workspace before the move. senders: whose the attachment with this key is."""

    members: frozenset[int]
    senders: dict[str, int]
    rows: Rows
    objects: dict[str, Objects]


def snapshot_truth(workspace: Path) -> Truth:
    """Read what there is before anything moves; the servers must run."""
    url = _url(workspace, "virginia")
    with psycopg.connect(url) as connection:
        members = connection.execute("SELECT id FROM users WHERE country = %s", [HOME_COUNTRY])
        senders = connection.execute(
            "SELECT attachment_key, sender_id FROM direct_messages WHERE attachment_key IS NOT NULL"
        )
        return Truth(
            frozenset(int(row[0]) for row in members),
            {str(key): int(person) for key, person in senders},
            read_rows(url),
            {place: read_objects(bucket(workspace, place)) for place in _LEFT},
        )


def compare_truth(workspace: Path, before: Truth, store: ObjectSite | None = None) -> list[str]:
    """Everything that is not as it must be after move and erase; an empty list is the proof.

    (a) members' rows are at home and equal; (b) elsewhere only public projections of rows that
    others refer to; (c) nobody else's rows changed; (d) references hold everywhere; (e) members'
    protected object versions are at home and equal, and nowhere else; (f) nobody else's objects
    changed; (g) home holds no more of non-members than public projections. store: home's objects,
    opened, where they lie sealed.
    """
    left = {place: read_rows(_url(workspace, place)) for place in _LEFT}
    home = read_rows(_url(workspace, "oracle"))
    rows = compare_rows(before.rows, before.members, home, left)
    return rows + compare_objects(
        before.objects,
        before.members,
        before.senders,
        read_objects(store or bucket(workspace, "oracle")),
        {place: read_objects(bucket(workspace, place)) for place in _LEFT},
    )


def _url(workspace: Path, place: str) -> str:
    return servers(workspace)[place].url(DATABASE)


def main(arguments: list[str]) -> int:
    """``snapshot WORKSPACE`` or ``compare WORKSPACE``; returns the exit code."""
    if len(arguments) != 2 or arguments[0] not in ("snapshot", "compare"):
        raise UsageError("cannot do that", expected="snapshot WORKSPACE, or compare WORKSPACE")
    workspace = Path(arguments[1])
    file = workspace / _FILE
    if arguments[0] == "snapshot":
        file.write_bytes(msgspec.json.encode(snapshot_truth(workspace)))
        return 0
    problems = compare_truth(workspace, msgspec.json.decode(file.read_bytes(), type=Truth))
    sys.stdout.writelines(f"{problem}\n" for problem in problems)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
