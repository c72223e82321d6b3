"""Reading the register of media: hostile until the key in the charter is seen to have signed each
act. Acts that do not count leave the register as it was, and are told."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from domicile.charter import Charter
from domicile.errors import EvidenceError
from domicile.ledger import Entry
from domicile.ledger.files import hash_file
from domicile.report.model import MediumView
from domicile.scan import is_signed
from domicile.scan.entries import MediumStated
from domicile.scan.media import Medium, MediumText, after, fault

__all__ = ["read_media", "registered"]

_Said = tuple[str, str, str, str, str]


def registered(
    records: Path, charter: Charter, entries: Sequence[Entry]
) -> tuple[dict[str, Medium], dict[str, list[str]]]:
    """The register as the acts that count leave it, and by serial number why others do not. An act
    that counts takes the place of those that said the same and do not."""
    media: dict[str, Medium] = {}
    wrong: dict[str, dict[_Said, list[str]]] = {}
    for entry in entries:
        body = entry.body
        if not isinstance(body, MediumStated):
            continue
        text, why = _text(records, charter, body)
        known = media.get(body.serial)
        if known is not None and text == known.last and not why:
            continue  # it was recorded once more, for its files
        of_serial = wrong.setdefault(body.serial, {})
        if text is None or (why := why or fault(text, known, entry.time.date())):
            told = f"{body.act} on {body.day}: {why}"
            of_serial.setdefault(_said(body), []).append(told)
        else:
            media[body.serial] = after(text, known)
            of_serial.pop(_said(body), None)
    told_of = {
        serial: [why for each in of.values() for why in each] for serial, of in wrong.items()
    }
    return media, {serial: why for serial, why in told_of.items() if why}


def _said(body: MediumStated) -> _Said:
    """What an act says that happened, whoever signed it."""
    return (body.act, body.from_holder, body.to_holder, body.method, body.day)


def read_media(records: Path, charter: Charter, entries: Sequence[Entry]) -> tuple[MediumView, ...]:
    """The register as it is shown, by serial number."""
    media, wrong = registered(records, charter, entries)
    return tuple(_views(charter, media, wrong))


def _views(
    charter: Charter, media: dict[str, Medium], wrong: dict[str, list[str]]
) -> Iterator[MediumView]:
    home = {site for boundary in charter.boundaries.values() for site in boundary.home}
    for serial in sorted({*media, *wrong}):
        known = media.get(serial)
        if known is None:
            place = {"place": "", "state": "not attested", "home": False}
            rest = dict.fromkeys(("medium", "holder", "day", "method", "attester"), "")
            why = _why(wrong, serial)
            yield msgspec.convert(
                {"serial": serial, "evidence": (), "problems": why, **place, **rest}, MediumView
            )
            continue
        last = known.last
        yield MediumView(
            serial=serial,
            medium=known.medium,
            place=known.place,
            state=known.state,
            holder=known.holder,
            day=last.day.isoformat(),
            method=last.method,
            attester=last.attester,
            home=known.place in home,
            evidence=last.evidence,
            problems=_why(wrong, serial),
        )


def _why(wrong: dict[str, list[str]], serial: str) -> tuple[str, ...]:
    return tuple(wrong.get(serial, ()))


def _text(records: Path, charter: Charter, body: MediumStated) -> tuple[MediumText | None, str]:
    """What was signed, and what is wrong with it. Raises EvidenceError where an entry names not its
    two files."""
    if len(body.files) != 2:
        raise EvidenceError(
            f"the ledger names {len(body.files)} files as one act about a medium",
            expected="the text that was signed, and the signature",
            next_step="run `domicile ledger verify` and see who wrote the entry",
        )
    try:
        kept = [hash_file(records / f.path) == (f.sha256, f.size_bytes) for f in body.files]
        said, signature = ((records / file.path).read_bytes() for file in body.files)
        text = msgspec.json.decode(said, type=MediumText)
    except (OSError, msgspec.MsgspecError):
        return None, "its files are not those that the ledger names"
    attester = charter.attesters.get(body.attester)
    if not all(kept):
        return text, "its files are not those that the ledger names"
    if attester is None or not is_signed(said, signature, attester):
        return text, f"no key that the charter gives {body.attester} signed it"
    return text, "" if _same(text, body, charter) else "the ledger says something else"


def _same(text: MediumText, body: MediumStated, charter: Charter) -> bool:
    names = [n for n in text.__struct_fields__ if n not in {"format", "ledger", "day"}]
    alike = all(getattr(text, name) == getattr(body, name) for name in names)
    return alike and text.day.isoformat() == body.day and text.ledger == charter.ledger_origin
