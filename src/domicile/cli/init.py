"""``domicile init``."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console

from domicile.cli.exits import Exit
from domicile.cli.session import Options, common_options, emit_json
from domicile.errors import CharterError, UsageError

if TYPE_CHECKING:
    from domicile.scan.proposal.draft import Asked
    from domicile.scan.proposal.model import Proposal
    from domicile.scan.proposal.sites import NamedSite
    from domicile.scan.proposing import Existing, Looked

__all__ = ["init"]


@click.command()
@common_options
@click.argument("sites", nargs=-1, metavar="[[NAME=]URL[#KEY=VALUE,...]]...")
@click.option(
    "--home",
    multiple=True,
    metavar="[NAME=]URL[#...]",
    help="A site that is home: a database, a store. Nothing is read there.",
)
@click.option(
    "--members", metavar="CC[,CC]", default="", help="Countries whose people are members: US."
)
@click.option("--company", default="", help="Whose application it is.")
@click.option("--custodian", default="", help="Who holds the keys and approves.")
@click.option("--provider", default="", help="Who must run home.")
@click.option("--boundary", default="", help="The boundary's name; by default the first member's.")
@click.option("--people", default="", help="The people table, where another one was chosen.")
def init(
    charter: Path,
    as_json: bool,
    sites: tuple[str, ...],
    home: tuple[str, ...],
    **asked: str,
) -> int:
    """Look at databases and stores, and write a charter to begin with.

    A site is named by its URL: postgresql://user@host/database, s3://bucket or a directory. Keys of
    its table in the charter may follow: #country=US,provider=Reel,endpoint=https://... Passwords
    are never written: name the variable that holds one, #password_env=NAME (PGPASSWORD is found by
    itself). Reads only, a sample of each table; no sampled value is written or shown.

    Run again, it keeps what you wrote, and adds what is new.
    """
    from domicile.scan.proposal.writing import render

    err = Console(stderr=True, highlight=False)
    there = _read(charter)
    named, homes = _sites(there, sites, home)
    proposal, looked = _look(charter, there, named, _asked(there, asked, named, homes), err, asked)
    text, added = (render(proposal), ()) if there is None else _merged(charter, proposal)
    _write(charter, text)
    return _report(Options(charter, as_json), text, proposal, looked, added)


def _read(charter: Path) -> dict[str, Any] | None:
    """The charter that is there, whatever is missing in it; None where there is none."""
    if not charter.resolve().parent.is_dir():
        raise UsageError(
            f"{charter}: there is no such directory",
            expected="a directory to write the charter into",
            next_step="make it, or choose another --charter",
        )
    try:
        return tomllib.loads(charter.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise CharterError(
            f"{charter}: cannot be read ({type(error).__name__})",
            expected="a charter, or no file",
            next_step="run `domicile scan` to see what is wrong in it, or move it away",
        ) from None


def _sites(
    there: dict[str, Any] | None, sites: Sequence[str], home: Sequence[str]
) -> tuple[list[NamedSite], tuple[str, ...]]:
    """All sites, those of the charter first, and the names of those that are home."""
    from domicile.scan.proposal.sites import NamedSite, parse_site

    named: dict[str, NamedSite] = {}
    for name, table in _table(there, "sites").items():
        if isinstance(table, dict) and {"kind", "url"} <= set(table):
            keys = {key: str(value) for key, value in table.items() if value != ""}
            named[name] = NamedSite(name, keys)
    homes = list(_boundary(there)[1].get("home", ()))
    for at, text in enumerate((*sites, *home)):
        site = parse_site(text, named, os.environ)
        named[site.name] = site
        if at >= len(sites):
            homes.append(site.name)
    if not any(site.is_database and name not in homes for name, site in named.items()):
        raise UsageError(
            "no database to look at",
            expected="the URL of at least one that is not home: postgresql://user@host/database",
            next_step="domicile init --members US postgresql://user@host/database",
        )
    return list(named.values()), tuple(dict.fromkeys(homes))


def _asked(
    there: dict[str, Any] | None,
    asked: dict[str, str],
    named: Sequence[NamedSite],
    homes: tuple[str, ...],
) -> Asked:
    """What the options and the charter say, the options first."""
    from domicile.scan.proposal.draft import Asked
    from domicile.scan.proposal.sites import provider_of, title_of

    name, boundary = _boundary(there)
    members = [code.strip().upper() for code in asked["members"].split(",") if code.strip()]
    members = members or list(boundary.get("members", ()))
    at_home = [site for site in named if site.name in homes]
    told = next((who for site in at_home if (who := provider_of(site))), "")
    database = next(site for site in named if site.is_database and site.name not in homes)
    return Asked(
        company=asked["company"] or _table(there, "company").get("name", "")
        or title_of(database),
        boundary=asked["boundary"] or name or (members[0].lower() if members else "home"),
        members=tuple(members),
        custodian=asked["custodian"] or boundary.get("custodian", ""),
        provider=asked["provider"] or boundary.get("provider", "") or told,
        home=homes,
    )  # fmt: skip


def _look(
    charter: Path,
    there: dict[str, Any] | None,
    named: Sequence[NamedSite],
    asked: Asked,
    err: Console,
    options: dict[str, str],
) -> tuple[Proposal, Looked]:
    from domicile.scan.proposing import Place, propose

    existing = _existing(there, options["people"])
    place = Place(charter.resolve().parent, os.environ)
    with err.status("looking") as status:
        return propose(asked, named, existing, place, status.update)


def _existing(there: dict[str, Any] | None, people: str) -> Existing:
    from pydantic import ValidationError

    from domicile.charter import TableDataset, Way
    from domicile.scan.proposing import Existing

    tables: list[TableDataset] = []
    for name, table in _table(there, "tables").items():
        values = {k: tuple(v) if isinstance(v, list) else v for k, v in dict(table).items()}
        try:
            dataset = TableDataset.model_validate(values)
            tables.append(dataset)
            for entry in dataset.person:
                Way.parse(entry)
        except (ValidationError, CharterError):
            raise CharterError(
                f"[tables.{name}] is not what a charter takes",
                expected="a dataset as docs/charter.md has it",
                next_step="run `domicile scan` to see what is wrong in it",
            ) from None
    told = {key: value for key, value in _table(there, "people").items() if value}
    if people and told.get("table", people) != people:
        raise UsageError(
            "the charter names another people table",
            expected="--people only where it names none",
            next_step="change [people] in the charter, key and country with it",
        )
    return Existing({**told, **({"table": people} if people else {})}, tables)


def _table(there: dict[str, Any] | None, name: str) -> dict[str, Any]:
    table = (there or {}).get(name)
    return table if isinstance(table, dict) else {}


def _boundary(there: dict[str, Any] | None) -> tuple[str, dict[str, Any]]:
    for name, table in _table(there, "boundaries").items():
        if isinstance(table, dict):
            return name, table
    return "", {}


def _merged(charter: Path, proposal: Proposal) -> tuple[str, tuple[str, ...]]:
    from domicile.scan.proposal.merging import merge

    with charter.open(encoding="utf-8", newline="") as file:  # line ends are a person's, too
        text = file.read()
    done = merge(text, proposal, datetime.now(UTC).date())
    return done.text, done.added


def _write(charter: Path, text: str) -> None:
    """All of it or nothing, and only what is TOML: a charter is written by hand as well."""
    from domicile.inventory.files import write_bytes

    try:
        data = text.encode()
        tomllib.loads(text.replace("\r\n", "\n"))
    except (UnicodeEncodeError, tomllib.TOMLDecodeError) as error:
        raise CharterError(
            f"what would be added to {charter} does not go into it ({type(error).__name__})",
            expected="tables in the form [section.name], and names in UTF-8",
            next_step="write inline tables out; nothing was changed",
        ) from None
    target = charter.resolve()
    mode = target.stat().st_mode if target.exists() else None
    write_bytes(target, data)
    if mode is not None:
        target.chmod(mode & 0o7777)


def _report(
    options: Options, text: str, proposal: Proposal, looked: Looked, added: Sequence[str]
) -> int:
    """What was written, and what is left to a person. 1 where the charter does not load yet."""
    from domicile.charter import load_charter

    try:
        load_charter(options.charter)
        wrong: CharterError | None = None
    except CharterError as error:
        wrong = error
    undecided = _undecided(text, proposal)
    if options.as_json:
        emit_json(_document(options.charter, looked, added, undecided) | {"loads": wrong is None})
    else:
        out = Console(highlight=False)
        _print_looked(out, options.charter, looked, added)
        _print_next(out, wrong, undecided)
    return Exit.WELL if wrong is None else Exit.REMAINS


def _document(
    charter: Path, looked: Looked, added: Sequence[str], undecided: dict[str, str]
) -> dict[str, object]:
    return {
        "charter": str(charter),
        "tables": looked.tables,
        "columns": looked.columns,
        "categories": looked.categories,
        "keys": looked.keys,
        "statements": looked.statements,
        "not_sampled": looked.failed,
        "added": list(added),
        "undecided": list(undecided),
    }


def _print_looked(out: Console, charter: Path, looked: Looked, added: Sequence[str]) -> None:
    out.print(
        f"looked at {looked.tables:,} tables with {looked.columns:,} columns in"
        f" {looked.statements:,} statements, and at {looked.keys:,} keys of objects",
        markup=False,
    )
    for name, why in looked.failed.items():
        out.print(f"no sample of {name}: {why}", style="yellow", markup=False)
    out.print(
        f"{charter}: {looked.categories:,} columns with a category; read the reasons beside the"
        " lines",
        markup=False,
    )
    for place in added:
        out.print(f"added: {place}", markup=False)


def _print_next(out: Console, wrong: CharterError | None, undecided: dict[str, str]) -> None:
    if wrong is None:
        out.print("next: read it, then domicile scan")
    elif undecided:
        out.print("only you can know what is still empty (DECIDE):", style="bold")
        for place, what in undecided.items():
            out.print(f"  {place}: {what}", markup=False)
        out.print("next: write it there, or give it as an option and run init again")
    else:
        out.print(wrong.failed, style="bold", markup=False)
        out.print(f"next: {wrong.next_step}", markup=False)


def _undecided(text: str, proposal: Proposal) -> dict[str, str]:
    """The lines that are empty in the charter and must not be, with what belongs there."""
    written = tomllib.loads(text)
    found: dict[str, str] = {}
    for block in proposal.blocks:
        table: Any = written
        for part in block.path:
            table = table.get(part, {}) if isinstance(table, dict) else {}
        for line in block.lines:
            if line.decide and isinstance(table, dict) and not table.get(line.key, line.value):
                found[f"{block.header}.{line.key}"] = line.decide
    return found
