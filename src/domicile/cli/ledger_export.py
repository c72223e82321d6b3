"""``domicile ledger export``."""

from __future__ import annotations

import shlex
import shutil
from pathlib import Path

import click

from domicile.charter import Charter
from domicile.cli.exits import Exit
from domicile.cli.moments import Moment
from domicile.cli.session import Options, Session, common_options, emit_json
from domicile.errors import EvidenceError
from domicile.inventory import ledger_directory, write_bytes
from domicile.ledger import published_keys
from domicile.ledger.bundle import Bundle, Keys, make_bundle
from domicile.ledger.files import hash_file
from domicile.ledger.outside import verify_bundle
from domicile.ledger.question import Question
from domicile.ledger.store import VKEY

__all__ = ["export"]


@click.command()
@common_options
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="The bundle to write.",
)
@click.option("--kind", "kinds", multiple=True, help="A kind of entry, or its part: `erase`.")
@click.option("--run", "runs", multiple=True, help="A run.")
@click.option("--site", "sites", multiple=True, help="A site.")
@click.option("--dataset", "datasets", multiple=True, help="A dataset of the charter, or a table.")
@click.option("--staff", multiple=True, help="Who asked, or approved.")
@click.option("--pseudonym", "pseudonyms", multiple=True, help="A person, as the ledger calls one.")
@click.option("--since", type=Moment(ends=False), help="From this day or time (UTC) on.")
@click.option(
    "--until", type=Moment(ends=True), help="To the end of this day, or before this time."
)
@click.option("--first", type=click.IntRange(0), default=0, help="Not before this index.")
@click.option("--end", type=click.IntRange(0), help="Before this index.")
@click.option(
    "--with-files",
    type=click.Path(path_type=Path, file_okay=False),
    help="Copy the files that the entries name here. They are protected data.",
)
@click.option(
    "--proofs",
    type=click.Path(path_type=Path, file_okay=False),
    help="Write each entry and its C2SP tlog-proof here, for other tools.",
)
def export(
    charter: Path,
    as_json: bool,
    out: Path,
    kinds: tuple[str, ...],
    runs: tuple[str, ...],
    sites: tuple[str, ...],
    datasets: tuple[str, ...],
    staff: tuple[str, ...],
    pseudonyms: tuple[str, ...],
    since: str | None,
    until: str | None,
    first: int,
    end: int | None,
    with_files: Path | None,
    proofs: Path | None,
) -> int:
    """Write the answer to one question as a bundle that anybody can check offline.

    An entry answers if it fits every filter; of a filter that is given several times, any value.
    """
    with Session.open(Options(charter, as_json)) as session:
        records = session.estate.records
        tables, shards = _cut(records, session.loaded.charter, datasets)
        question = Question(
            kinds=kinds,
            runs=runs,
            sites=sites,
            datasets=datasets,
            tables=tables,
            shards=shards,
            staff=staff,
            pseudonyms=pseudonyms,
            since=since or "",
            until=until or "",
            first=first,
            end=end,
        )
        log = ledger_directory(records)
        keys = Keys(tuple(published_keys(log)), _witness_keys(session.loaded.charter))
        bundle = make_bundle(log, question, keys)
        write_bytes(out.absolute(), b"".join(bundle.encode()))
        if with_files is not None:
            _copy_files(bundle, records, with_files)
        if proofs is not None:
            _write_proofs(bundle, proofs)
        _tell(session, bundle, out, _command(out, log, with_files))
    return Exit.EVIDENCE if bundle.broken else Exit.WELL


def _cut(
    records: Path, charter: Charter, datasets: tuple[str, ...]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The tables and shards of the datasets that are asked for."""
    if not datasets:
        return (), ()
    from domicile.move.shards_about import names_of_tables, shards_about

    return names_of_tables(charter, datasets), shards_about(records, charter, datasets)


def _witness_keys(charter: Charter) -> tuple[str, ...]:
    """The keys of the witnesses that the charter names, to compare with one's own."""
    return tuple(key for witness in charter.ledger.witnesses.values() for key in witness.keys)


def _copy_files(bundle: Bundle, records: Path, directory: Path) -> None:
    for file in bundle.files:
        target = directory / file.path
        try:
            same = hash_file(records / file.path) == (file.sha256, file.size_bytes)
        except OSError:
            same = False
        if not same:
            raise EvidenceError(
                f"the file {file.path} is not what its entry says",
                expected=f"the file with SHA-256 {file.sha256}",
                next_step="run `domicile ledger verify`; export without --with-files meanwhile",
            )
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(records / file.path, target)


def _write_proofs(bundle: Bundle, directory: Path) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    for index, entry, proof in bundle.proofs():
        (directory / f"{index}.json").write_bytes(entry)
        (directory / f"{index}.tlog-proof").write_bytes(proof)


def _command(out: Path, log: Path, files: Path | None) -> str:
    """What the recipient types."""
    program = Path(verify_bundle.__file__)
    more = () if files is None else ("--files", str(files))
    return shlex.join(("python", str(program), str(out), "--key", str(log / VKEY), *more))


def _tell(session: Session, bundle: Bundle, out: Path, command: str) -> None:
    asked = sum(row.asked for row in bundle.entries)
    if session.options.as_json:
        emit_json(
            {
                "bundle": str(out),
                "asked": asked,
                "rested_on": len(bundle.entries) - asked,
                "files": len(bundle.files),
                "size": bundle.head.size,
                "broken": bundle.broken,
                "unreadable": bundle.unreadable,
                "command": command,
            }
        )
        return
    show = session.out.print
    show(
        f"{out}: {asked:,} entries that answer and {len(bundle.entries) - asked:,} that they rest"
        f" on, of {bundle.head.size:,}",
        markup=False,
        soft_wrap=True,
    )
    for problem in bundle.broken:
        show(f"broken: {problem}", style="bold red", markup=False, soft_wrap=True)
    if bundle.unreadable:
        show(f"{bundle.unreadable:,} entries cannot be read and may answer too", style="bold red")
    show(f"check it: {command}", markup=False, soft_wrap=True)
    show("(with this program and the key from elsewhere than from you: docs/ledger.md)")
