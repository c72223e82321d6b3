"""``domicile ledger search``."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from pathlib import Path

import click
import msgspec

from domicile.cli.exits import Exit
from domicile.cli.moments import Moment
from domicile.cli.session import Options, Session, common_options
from domicile.inventory import ledger_directory
from domicile.ledger import published_keys
from domicile.ledger.search import Search
from domicile.ledger.terms import Found, Query

__all__ = ["search"]

INDEX = "ledger-index.sqlite"
_LONGEST_LINE = 200


@click.command()
@common_options
@click.option("--kind", "kinds", multiple=True, help="A kind, or a part's (move); repeatable.")
@click.option("--run", help="Of this run.")
@click.option("--site", help="About this site, as source or as home.")
@click.option("--shard", help="About this shard.")
@click.option("--dataset", help="About this dataset or table.")
@click.option("--staff", help="About what this member of staff asked or did.")
@click.option("--pseudonym", help="About the person under this pseudonym.")
@click.option("--purpose", help="For this purpose.")
@click.option("--since", type=Moment(ends=False), help="From this day or time (UTC) on.")
@click.option(
    "--until", type=Moment(ends=True), help="To the end of this day, or before this time."
)
@click.option("--text", help="Only entries in which this stands, as they are written.")
@click.option("--limit", type=click.IntRange(1, 1_000_000), default=100, show_default=True)
@click.option("--rebuild", is_flag=True, help="Make the index anew from the log first.")
@click.option("--key", "keys", multiple=True, help="A public key of the log (default: log.vkey).")
def search(
    charter: Path,
    as_json: bool,
    kinds: tuple[str, ...],
    since: str | None,
    until: str | None,
    text: str | None,
    limit: int,
    rebuild: bool,
    keys: tuple[str, ...],
    **terms: str | None,
) -> int:
    """Find entries by what they are about. Each is read from the log and proved under its signed
    root; the index that says where to look is never trusted, and --rebuild makes it anew."""
    asked = {name: value for name, value in terms.items() if value is not None}
    query = Query(kinds, asked, since or "", until or "", text or "")
    with Session.open(Options(charter, as_json)) as session:
        records = session.estate.records
        directory = ledger_directory(records)
        found = Search(
            directory, list(keys) or published_keys(directory), records / "cache" / INDEX
        )
        if rebuild:
            found.rebuild()
        numbers = found.find(query, limit + 1)
        if found.made_anew:
            session.err.print(f"the index was made anew: {found.made_anew}", markup=False)
        entries = found.read(numbers[:limit])
        if as_json:
            _print_json(found, entries, more=len(numbers) > limit)
        else:
            _print(session, entries, more=len(numbers) > limit)
    return Exit.WELL


def _print(session: Session, entries: Iterable[Found], *, more: bool) -> None:
    session.out.print(f"{'entry':>9}  {'time (UTC)':24}  {'kind':24}  what it says", style="bold")
    count = 0
    for count, found in enumerate(entries, 1):  # noqa: B007 - the last one counts
        line = f"{found.number:>9}  {found.time:24}  {found.kind:24}  {_says(found)}"
        session.out.print(line, markup=False, soft_wrap=True)
    ending = "; there are more: raise --limit, or ask for less" if more else ""
    session.out.print(f"{count:,} entries{ending}")


def _says(found: Found) -> str:
    """The body on one line, in characters that no terminal takes for orders."""
    if not found.kind:
        return "not an entry of this ledger's form"
    body = json.loads(found.data)["body"]
    body.pop("files", None)
    shown = " ".join(f"{name}={json.dumps(value)}" for name, value in sorted(body.items()))
    return shown if len(shown) <= _LONGEST_LINE else f"{shown[:_LONGEST_LINE]}…"


def _print_json(found: Search, entries: Iterable[Found], *, more: bool) -> None:
    """One document, written as it is read: memory does not grow with it."""
    head = found.head
    out = sys.stdout.buffer
    start = {"origin": head.origin, "size": head.size, "root": head.root.hex(), "more": more}
    out.write(msgspec.json.encode(start)[:-1] + b',"entries":[')
    for count, entry in enumerate(entries):
        content = entry.data if entry.kind else b"null"
        out.write((b"," if count else b"") + b'\n {"number":%d,"entry":' % entry.number)
        out.write(content + b"}")
    out.write(b"\n]}\n")
    out.flush()
