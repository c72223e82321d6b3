"""Reading attestations: hostile until the key in the charter is seen to have signed them; and what
they cover of the latest scan.

Rules:
1. Of each site and dataset the attestation that was recorded last counts, if any does.
2. It counts while the charter in force names its attester, whose key signed exactly what the ledger
   says; until its last day is over (UTC); and while no more is unexamined than it was about.
3. What it covers is attested and no longer counted as not examined; never as examined either.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path

import msgspec
from msgspec import structs

from domicile.charter import Charter
from domicile.errors import EvidenceError
from domicile.ledger import Entry, FileDigest
from domicile.ledger.files import hash_file
from domicile.report.model import AttestationView, Snapshot
from domicile.scan import Attestation, is_signed
from domicile.scan.entries import Attested

__all__ = ["cover", "read_attestations"]


def read_attestations(
    records: Path, charter: Charter, entries: Sequence[Entry], today: date
) -> tuple[AttestationView, ...]:
    """The last attestation of each site and dataset, in the order of these, with what is wrong
    with it. Raises EvidenceError where one names not its three files."""
    last = {(e.body.site, e.body.dataset): e for e in entries if isinstance(e.body, Attested)}
    return tuple(
        _read(records, charter, e, e.body, today)
        for _, e in sorted(last.items())
        if isinstance(e.body, Attested)
    )


def cover(
    scan: Snapshot, attestations: Iterable[AttestationView]
) -> tuple[Snapshot, tuple[AttestationView, ...]]:
    """The scan with what is attested told apart from what is not examined, and each attestation
    with the number of items that it covers there. Pure."""
    left = {(h.site, h.dataset): h.unexamined for h in scan.holdings}
    views = {(view.site, view.dataset): _weighed(view, left) for view in attestations}
    holdings = tuple(
        structs.replace(h, unexamined=0, attested=h.unexamined)
        if (h.site, h.dataset) in views and views[h.site, h.dataset].covers
        else h
        for h in scan.holdings
    )
    return structs.replace(scan, holdings=holdings), tuple(views.values())


def _weighed(view: AttestationView, left: Mapping[tuple[str, str], int]) -> AttestationView:
    found = left.get((view.site, view.dataset), 0)
    if not found or view.problems:
        return view
    if view.items < 0 or 0 < found <= view.items:
        return structs.replace(view, covers=abs(found))
    now = "an unknown number" if found < 0 else f"{found:,}"
    problem = f"it is about {view.items:,} items, and the latest scan left {now} unexamined"
    return structs.replace(view, problems=(problem,))


def _read(
    records: Path, charter: Charter, entry: Entry, body: Attested, today: date
) -> AttestationView:
    if len(body.files) != 3:
        raise EvidenceError(
            f"the ledger names {len(body.files)} files as one attestation of {body.site}",
            expected="the statement, the text that was signed and the signature",
            next_step="run `domicile ledger verify` and see who wrote the entry",
        )
    return AttestationView(
        site=body.site,
        dataset=body.dataset,
        items=body.items,
        attester=body.attester,
        role=body.role,
        until=body.until,
        statement_sha256=body.statement_sha256,
        statement=body.files[0].path,
        recorded=entry.time.isoformat(timespec="seconds"),
        covers=0,
        problems=tuple(_problems(records, charter, body, today)),
    )


def _problems(records: Path, charter: Charter, body: Attested, today: date) -> Iterator[str]:
    statement, text, signature = body.files
    kept = all(_is_kept(records, file) for file in body.files)
    if not kept or statement.sha256 != body.statement_sha256:
        yield "its files are not those that the ledger names"
        return
    said, signed_with = ((records / file.path).read_bytes() for file in (text, signature))
    attester = charter.attesters.get(body.attester)
    if attester is None:
        yield f"the charter names no attester {body.attester}"
    elif not is_signed(said, signed_with, attester):
        yield f"the key of {body.attester} did not sign it"
    try:
        signed = msgspec.json.decode(said, type=Attestation)
    except msgspec.MsgspecError:
        yield "what was signed is no attestation"
        return
    if not _same(signed, body, charter):
        yield "what was signed says something else than the ledger"
    if signed.until < today:
        yield f"it counted until {signed.until}"


def _same(signed: Attestation, body: Attested, charter: Charter) -> bool:
    names = ("boundary", "site", "dataset", "items", "attester", "statement_sha256")
    alike = all(getattr(signed, name) == getattr(body, name) for name in names)
    ours = signed.ledger == charter.ledger_origin
    return alike and ours and signed.until.isoformat() == body.until


def _is_kept(records: Path, file: FileDigest) -> bool:
    try:
        return hash_file(records / file.path) == (file.sha256, file.size_bytes)
    except OSError:
        return False
