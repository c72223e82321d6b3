"""What the commands that state an act about a medium share."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import wraps
from pathlib import Path

import click
from rich.markup import escape

from domicile.cli.exits import Exit
from domicile.cli.session import Options, Session, common_options, emit_json
from domicile.errors import UsageError
from domicile.inventory import ledger_directory
from domicile.ledger import Entry, decode, read_only
from domicile.ledger.files import hash_file
from domicile.report.figures import shown
from domicile.report.media import registered
from domicile.scan.media import Medium, MediumText, check_act, record_medium

__all__ = ["Act", "Told", "act_options", "entries_of", "state_act"]

_LARGEST_SIGNATURE_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Told:
    """What every command about an act is told."""

    options: Options
    serial: str
    attester: str
    day: datetime
    evidence: Sequence[Path]
    signature: Path | None


def act_options(function: Callable[..., int]) -> Callable[..., int]:
    """SERIAL, and the options that every act has, handed over as one `Told`."""

    @wraps(function)
    def told(
        *,
        serial: str,
        charter: Path,
        as_json: bool,
        attester: str,
        day: datetime,
        evidence: tuple[Path, ...],
        signature: Path | None,
        **mine: object,
    ) -> int:
        options = Options(charter, as_json)
        return function(Told(options, serial, attester, day, evidence, signature), **mine)

    options = (
        click.argument("serial"),
        common_options,
        click.option("--attester", required=True, help="Who signs, by their name in the charter."),
        click.option(
            "--on",
            "day",
            type=click.DateTime(["%Y-%m-%d"]),
            required=True,
            help="The day on which it happened.",
        ),
        click.option(
            "--evidence",
            multiple=True,
            type=click.Path(path_type=Path, dir_okay=False),
            help="A file that shows it: its SHA-256 is signed, the file is yours to keep. May be"
            " repeated.",
        ),
        click.option(
            "--signature",
            type=click.Path(path_type=Path, dir_okay=False),
            help="The attester's Ed25519 signature over the text, 64 bytes.  [default: none yet:"
            " the text to sign is printed]",
        ),
    )
    for option in reversed(options):
        told = option(told)
    return told


@dataclass(frozen=True, slots=True)
class Act:
    """What happened to a medium, as the command tells it. where: None where it stays."""

    act: str
    to_holder: str
    from_holder: str = ""
    medium: str = ""
    where: str | None = None
    method: str = ""


def state_act(told: Told, act: Act) -> int:
    """Print the text to sign, or record the signed act. Raises UsageError as `check_act`."""
    with Session.open(told.options) as session:
        register, _ = registered(
            session.estate.records, session.estate.charter, entries_of(session)
        )
        text = _text(session, told, act, register.get(told.serial))
        check_act(session.estate, register, text)
        if told.signature is None:
            return _print_text(session, text)
        data = _signature(told.signature)
        body = record_medium(session.estate, session.evidence, register, text, data)
    if told.options.as_json:
        emit_json(body)
    else:
        words = f"{shown(body.serial)}: {body.act}, attested by {body.attester} ({body.role})"
        session.out.print(escape(words), soft_wrap=True)
    return Exit.WELL


def _text(session: Session, told: Told, act: Act, known: Medium | None) -> MediumText:
    return MediumText(
        ledger=session.estate.charter.ledger_origin,
        boundary=session.estate.boundary_name,
        act=act.act,
        serial=told.serial,
        medium=act.medium or (known.medium if known else ""),
        where=act.where if act.where is not None else known.place if known else "",
        from_holder=act.from_holder,
        to_holder=act.to_holder,
        method=act.method,
        day=told.day.date(),
        evidence=tuple(_digest(path) for path in told.evidence),
        previous=known.last.sha256 if known and act.act != "added" else "",
        attester=told.attester,
    )


def entries_of(session: Session) -> list[Entry]:
    """All that the ledger holds of the boundary; nothing where it is not begun."""
    directory = ledger_directory(session.estate.records)
    if not directory.is_dir():
        return []
    entries = [decode(data) for _, data in read_only(directory).entries()]
    ours = {None, session.estate.boundary_name}
    return [entry for entry in entries if getattr(entry.body, "boundary", None) in ours]


def _print_text(session: Session, text: MediumText) -> int:
    if session.options.as_json:
        emit_json({"sign": text.text().decode()})
        return Exit.WELL
    sys.stdout.buffer.write(text.text())
    sys.stdout.buffer.flush()
    session.err.print(
        "nothing was recorded: have this line signed, and run the command again with --signature",
        style="yellow",
    )
    return Exit.WELL


def _digest(path: Path) -> str:
    try:
        return hash_file(path)[0]
    except OSError as error:
        raise _unreadable(path, error) from error


def _signature(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_LARGEST_SIGNATURE_BYTES)
    except OSError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: OSError) -> UsageError:
    return UsageError(
        f"{path} cannot be read ({error.strerror or type(error).__name__})",
        expected="a readable file",
        next_step="check the path and its permissions",
    )
