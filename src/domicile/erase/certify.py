"""Writing a site's certificate, signed, and its entry."""

from __future__ import annotations

import base64
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec

import domicile
from domicile.charter import PostgresSiteConfig
from domicile.erase.absence import Absence
from domicile.erase.certificate import (
    Certificate,
    Check,
    Erased,
    Lack,
    Verifier,
    certificate_id,
    envelope,
)
from domicile.erase.entries import Certified, ShardErased, TablesRewritten
from domicile.erase.held import HeldItems, held_items
from domicile.inventory import (
    Estate,
    Evidence,
    Run,
    RunEntries,
    dataset_name,
    digest_under,
    read_batches,
    write_bytes,
)
from domicile.move import Plan, latest_verified
from domicile.sites.postgres import TableName

__all__ = ["certify", "erasures", "last_held_until", "unproven", "unsigned"]

_FORMAT = "domicile erasure certificate 1 (after NIST SP 800-88 Rev. 2, section 4.6)"
_REWRITTEN = (
    "; where others have rows in an archive that is rewritten, a version without members' rows was"
    " written in its place first, and read back"
)
_KEPT = (
    "; rows that are others' too, where the charter says that each person gets a copy, left as they"
    " are"
)
_PLACES = {"erased": 0, "failed": 2, "held": 3}


def certify(
    estate: Estate,
    evidence: Evidence,
    plan: Plan,
    site: str,
    entries: RunEntries,
    absence: Absence,
) -> str:
    """Sign the certificate of a site and record it; its path relative to the records. A site whose
    certificate stands and where nothing changed since gets a new one all the same: it says what
    was seen now."""
    run = Run(estate.records, plan.run)
    size, root = evidence.head()
    items = _items(estate, plan, site, entries)
    rewriting = _rewriting(entries, site, plan)
    lacks: dict[Lack, bool] = {
        "failed": any(item.failed for item in items),
        "held": any(item.held for item in items),
        "not proven": unproven(plan, site, entries),
        "remaining": absence.entry.remaining > 0,
        "not examined": absence.entry.unexamined > 0,
        "not rewritten": not all(check.passed for check in rewriting),
    }
    document = Certificate(
        format=_FORMAT,
        id=certificate_id(run.id, site, root),
        boundary=estate.boundary_name,
        custodian=estate.boundary.custodian,
        company=estate.charter.company.name,
        run=run.id,
        charter_sha256=estate.loaded.sha256,
        tool=f"domicile {domicile.__version__}",
        issued=datetime.now(UTC).isoformat(timespec="seconds"),
        site=site,
        **(_place(estate, site) | _followed(plan, site)),
        items=items,
        checks=(*absence.checks, *rewriting),
        held=_held(estate, site, entries),
        remains=absence.remains,
        verifiers=(
            Verifier("verification", f"domicile {domicile.__version__}", "software"),
            Verifier("validation", "", ""),
        ),
        ledger_origin=estate.charter.ledger_origin,
        ledger_size=size,
        ledger_root=root,
        complete=not any(lacks.values()),
        lacking=tuple(lack for lack, lacks_it in lacks.items() if lacks_it),
    )
    return _sign(estate, evidence, run, entries, document)


def _sign(
    estate: Estate, evidence: Evidence, run: Run, entries: RunEntries, document: Certificate
) -> str:
    signed = envelope(document, evidence.signer.vkey, evidence.signer.sign)
    path = run.certificate(document.site, document.id)
    write_bytes(path, msgspec.json.format(msgspec.json.encode(signed)))
    digest = digest_under(path, estate.records)
    evidence.record(
        Certified(run=run.id, site=document.site, complete=document.complete, files=(digest,)),
        into=entries,
    )
    return digest.path


def _place(estate: Estate, site: str) -> dict[str, str]:
    config = estate.charter.sites[site]
    database = isinstance(config, PostgresSiteConfig)
    datasets = estate.charter.objects.values()
    several = any(table.persons == "copy" for table in estate.charter.tables.values())
    return {
        "site_kind": "PostgreSQL database" if database else "object store",
        "site_place": config.url,
        "country": config.country,
        "provider": config.provider,
        "media_type": "storage of the provider, reached through its interface; the medium itself"
        " is not in reach",
        "sanitization_method": "partial: logical deletion, which is not Clear (section 4.2);"
        " Purge or Destroy of the media is the provider's",
        "technique": "rows deleted, or reduced to their public projection where others refer to"
        f" them{_KEPT if several else ''}; tables, indexes and statistics rewritten, materialised"
        " views refreshed, except for those that the checks name"
        if database
        else "every version and delete marker deleted by its id; unfinished uploads aborted"
        + (_REWRITTEN if any(d.treatment == "rewrite" for d in datasets) else ""),
        "verification_method": "every item read again at its site and at home, and compared by"
        " SHA-256, before it was erased; the site counted or listed again afterwards",
    }


def _followed(plan: Plan, site: str) -> dict[str, str]:
    """How a standby came to lack what was erased at its primary."""
    primary = plan.primary_of(site)
    if primary is None:
        return {}
    return {
        "technique": f"nothing is written to a standby: it replays what was done at {primary}, of"
        " which there is a certificate",
        "verification_method": f"every item read again at {primary} and at home before it was"
        " erased there; this site counted again after it had replayed that",
    }


def _items(estate: Estate, plan: Plan, site: str, entries: RunEntries) -> tuple[Erased, ...]:
    sums: defaultdict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0, 0, 0, 0])
    for body in erasures(entries, site):
        shard = plan.row_shard(body.shard)
        if shard is not None:
            name = dataset_name(estate.charter_at(site), TableName(shard.schema, shard.table))
            total = sums[name, "rows"]
            for number, count in enumerate((body.erased, body.reduced, body.failed)):
                total[number] += count
            continue
        counted = {"erased": True, "failed": body.failed > 0, "held": body.held > 0}
        for row in read_batches(estate.records / body.files[0].path):
            if not counted[str(row["state"])]:
                continue
            total = sums[str(row["dataset"]), f"{row['kind']}s"]
            total[_PLACES[str(row["state"])]] += 1
            total[4] += int(str(row["size_bytes"])) if row["state"] == "erased" else 0
    return tuple(Erased(*names, *numbers) for names, numbers in sorted(sums.items()))


def _held(estate: Estate, site: str, entries: RunEntries) -> tuple[HeldItems, ...]:
    paths = [estate.records / body.files[0].path for body in erasures(entries, site) if body.held]
    return held_items(site, (row for path in paths for row in read_batches(path)))


def last_held_until(bodies: Sequence[ShardErased]) -> str:
    """From when on all that these erasures left as held can be erased, as entries spell times;
    empty where nobody can say, or nothing is held."""
    ends = [body.held_until for body in bodies if body.held]
    return max(ends, default="") if all(ends) else ""


def erasures(entries: RunEntries, site: str) -> list[ShardErased]:
    """The erasures at a site, an attempt that was repeated on the same verification counted by
    its last one. What an attempt left as held or failed counts for a shard's last attempt alone:
    that one tried it again."""
    here = [body for body in entries.of(ShardErased) if body.site == site]
    last = {(body.shard, body.verified_sha256): body for body in here}
    latest = {body.shard: body for body in here}
    return [
        body
        if latest[body.shard] is body
        else msgspec.structs.replace(body, failed=0, held=0, held_until="")
        for body in last.values()
    ]


def _rewriting(entries: RunEntries, site: str, plan: Plan) -> tuple[Check, ...]:
    site = plan.primary_of(site) or site  # a standby's files follow its primary's
    if site not in plan.databases:
        return ()
    rewritten = [body for body in entries.of(TablesRewritten) if body.site == site]
    if not rewritten:
        erased = any(body.site == site and body.erased for body in entries.of(ShardErased))
        return (Check("tables and indexes rewritten", "not yet", passed=None),) if erased else ()
    tables = sorted({table for body in rewritten for table in body.tables})
    reason = rewritten[-1].statistics
    kept = ", ".join(rewritten[-1].kept)
    return (
        Check("tables and indexes rewritten", ", ".join(tables), passed=True),
        *(
            (Check("erased rows that may still be in files or views", kept, passed=None),)
            if kept
            else ()
        ),
        Check(
            "the planner's statistics rewritten", reason or "yes", passed=None if reason else True
        ),
    )


def unproven(plan: Plan, site: str, entries: RunEntries) -> bool:
    """Whether some shard of the site was not erased, for want of proof or otherwise: at its
    primary's, if it is a standby. Rows that a verification did not find there need no erasure."""
    site = plan.primary_of(site) or site
    erased = {body.shard for body in entries.of(ShardErased) if body.site == site}
    if site in plan.stores:
        return any(site in shard.sites and shard.id not in erased for shard in plan.objects)
    verified = latest_verified(entries)
    left = [shard.id for shard in plan.rows if shard.erasable and shard.id not in erased]
    return site in plan.databases and any(
        (proof := verified.get(shard)) is None
        or proof.failed > 0
        or site in (*proof.sites, *proof.partly)
        for shard in left
    )


def unsigned(data: bytes) -> Certificate:
    """The certificate inside an envelope, its signature not checked."""
    document = msgspec.json.decode(data, type=dict[str, object])
    return msgspec.json.decode(base64.b64decode(str(document["payload"])), type=Certificate)
