"""A status put together by hand: two databases and two stores, everything at home."""

from __future__ import annotations

import msgspec

from domicile.erase import Certificate, Check, Erased, HeldItems, Lack, Verifier
from domicile.report.model import (
    CertificateView,
    Event,
    Exempt,
    Failure,
    Holding,
    Kind,
    LedgerView,
    PlanView,
    ShardProgress,
    Snapshot,
    StateCount,
    Status,
)
from domicile.report.verdict import Found, judge
from domicile.scan import SiteInfo

CHARTER = "ab" * 32
SITES = (
    SiteInfo("old-db", "postgres", "US", "company", "primary", home=False),
    SiteInfo("old-media", "objects", "SG", "company", "backup", home=False),
    SiteInfo("home-db", "postgres", "US", "oracle", "primary", home=True),
    SiteInfo("home-media", "objects", "US", "oracle", "primary", home=True),
)


def holding(site: str, dataset: str, kind: Kind, protected: int, *, unexamined: int = 0) -> Holding:
    reasons = ("no template fits the key",) if unexamined else ()
    return Holding(site, dataset, kind, "protected", protected, 0, unexamined, 5, 999, reasons)


def scan(run: str, *holdings: Holding) -> Snapshot:
    times = ("2026-01-02T03:04:05+00:00", "2026-01-02T03:05:06+00:00")
    return Snapshot(run, *times, CHARTER, 100, 10, 0, SITES, holdings)


BEFORE = scan(
    "one", holding("old-db", "users", "rows", 1200), holding("old-media", "m", "objects", 7)
)
AFTER = scan(
    "two", holding("home-db", "users", "rows", 1200), holding("home-media", "m", "objects", 7)
)
PLAN = PlanView("one", "2026-01-02T03:06:00+00:00", CHARTER, 1, 1, 1200, (), ())
SHARDS = (
    ShardProgress("r0", ("users",), "rows", 1200, 1200, 1, 1200, 0, ("old-db",), 1190, 10, 0),
    ShardProgress("o0", ("m",), "objects", 7, 7, 1, 7, 0, ("old-media",), 7, 0, 0),
)


def certificate(
    site: str,
    *,
    complete: bool = True,
    lacking: tuple[Lack, ...] = ("failed",),
    held: tuple[HeldItems, ...] = (),
) -> Certificate:
    return Certificate(
        format="domicile erasure certificate 1",
        id="0123456789abcdef",
        boundary="us",
        custodian="USDS",
        company="Loopreel",
        run="one",
        charter_sha256=CHARTER,
        tool="domicile 0",
        issued="2026-01-02T04:00:00+00:00",
        site=site,
        site_kind="database",
        site_place="postgresql://db.example/app",
        country="US",
        provider="company",
        media_type="unknown",
        sanitization_method="partial",
        technique="deleted",
        items=(Erased("users", "rows", 1190, 10, 0, 0, 123_456),),
        verification_method="read again",
        checks=(
            Check("listed again", "0 left", passed=True),
            Check("write-ahead log", "not in reach", passed=None),
        ),
        held=held,
        remains=("the write-ahead log",),
        verifiers=(Verifier("validation", ""),),
        ledger_origin="example.com/ledger",
        ledger_size=9,
        ledger_root="cd" * 32,
        complete=complete,
        lacking=() if complete else lacking,
    )


def view(
    site: str,
    *,
    complete: bool = True,
    problems: tuple[str, ...] = (),
    lacking: tuple[Lack, ...] = ("failed",),
) -> CertificateView:
    path = f"runs/one/certificates/{site}.dsse.json"
    issued = "2026-01-02T04:00:00+00:00"
    paper = certificate(site, complete=complete, lacking=lacking)
    return CertificateView(paper, path, "ef" * 32, "example.com/ledger+1+x", issued, problems)


CERTIFICATES = (view("old-db"), view("old-media"))
LEDGER = LedgerView("example.com/ledger", 12, "cd" * 32, "example.com/ledger+1+x", {}, 9, (), 0, ())
FOUND = Found(
    before=BEFORE,
    after=AFTER,
    charter_sha256=CHARTER,
    plan=PLAN,
    shards=SHARDS,
    certificates=CERTIFICATES,
    ledger=LEDGER,
)


def status(found: Found = FOUND, **changed: object) -> Status:
    made = Status(
        made="2026-01-03T00:00:00+00:00",
        tool="domicile 0",
        company="Loopreel",
        boundary="us",
        members_of=("US",),
        custodian="USDS",
        provider="oracle",
        charter_sha256=CHARTER,
        charter_standing="the charter in force is unsigned by custodians",
        records=".domicile",
        verdict=judge(found),
        before=found.before,
        after=found.after,
        plan=found.plan,
        shards=found.shards,
        states=(StateCount("old-db", "users", "rows", "erased", 1190),),
        held=found.held,
        attestations=(),
        shreds=(),
        failures=(Failure("old-db", "users", "verify", 2, "it differs"),),
        exempt=(Exempt("ads", "excepted", "tax law", "2030-01-01"),),
        certificates=found.certificates,
        ledger=found.ledger,
        timeline=(
            Event("one", "scan.started", "a scan began", 1, *["2026-01-02T03:04:05+00:00"] * 2),
        ),
        notices=(),
    )
    return msgspec.structs.replace(made, **changed)
