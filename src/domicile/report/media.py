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


def registered(
    records: Path, charter: Charter, entries: Sequence[Entry]
) -> tuple[dict[str, Medium], dict[str, list[str]]]:
    """The register as the acts that count leave it, and by serial number why others do not."""
    media: dict[str, Medium] = {}
    wrong: dict[str, list[str]] = {}
    for body in (e.body for e in entries if isinstance(e.body, MediumStated)):
        text, why = _text(records, charter, body)
        known = media.get(body.serial)
        if text is None or (why := why or fault(text, known)):
            wrong.setdefault(body.serial, []).append(f"{body.act} on {body.day}: {why}")
        else:
            media[body.serial] = after(text, known)
    return media, wrong


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
