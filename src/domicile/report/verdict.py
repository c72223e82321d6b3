"""The one word that records allow. Pure.

Rules:
1. *planned*: a plan was written down. *running*: something of it was brought home. *verified*:
   every shard of it was read back and proven equal, and nothing failed.
2. *home*: the latest scan, under the charter in force and of every site that the plan knew, finds
   nothing of the members away from home and left nothing unexamined; every site that held
   something has a complete certificate that the ledger's key signed. Rows that stay because they
   are others' too count as home while home holds them all as they are.
3. *home, except for what is attested*: the same, but for items that nobody examined and a signed
   statement is about. It is not *home*: nobody looked.
4. While anything is held (retention or legal hold) it is not *home*.
5. While an alarm of drift stands, or a look at an erased site is overdue, it is not *home*: what
   was said before is withdrawn. Nor while a disk or tape is registered away from home that is not
   destroyed; one that is, as somebody signed, is attested.
6. Nothing above *running* is said on a ledger in which anything is wrong.
7. Every certificate given and findings nevertheless: they came later, so the work still runs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from domicile.erase import HeldItems
from domicile.report.figures import moment, shown, word_for
from domicile.report.model import (
    AlarmView,
    CertificateView,
    LedgerView,
    LookView,
    MediumView,
    PlanView,
    ShardProgress,
    Snapshot,
    Verdict,
    Word,
)

__all__ = ["Found", "judge"]


@dataclass(frozen=True, slots=True)
class Found:
    """What a verdict is made from. charter_sha256 is that of the charter in force."""

    before: Snapshot
    after: Snapshot
    charter_sha256: str
    plan: PlanView | None
    shards: tuple[ShardProgress, ...]
    certificates: tuple[CertificateView, ...]
    ledger: LedgerView
    held: tuple[HeldItems, ...] = ()
    unapproved: str = ""
    """What is said of a charter that its custodians must sign and did not."""
    alarms: tuple[AlarmView, ...] = ()
    looks: tuple[LookView, ...] = ()
    media: tuple[MediumView, ...] = ()


def judge(found: Found) -> Verdict:
    """Judge what the records say."""
    shards, ledger = found.shards, found.ledger
    lacking = [*_unsound(ledger), *_of_alarms(found), *_of_scan(found), *_of_held(found)]
    lacking += [*_of_certificates(found), *_of_looks(found), *_of_media(found)]
    if not lacking:
        attested = found.after.attested or any(not medium.home for medium in found.media)
        word: Word = "home, except for what is attested" if attested else "home"
        return Verdict(word, tuple(_rests_on(found)), ())
    if found.plan is None:
        return Verdict("not planned", (), ("no plan was made", *lacking))
    unproven = list(_unproven(shards))
    counted = word_for(len(shards), "shard", "shards")
    planned = (f"a plan of {counted} was made", *_blocked(found.plan))
    if all(shard.copied is None for shard in shards):
        return Verdict("planned", planned, (*unproven, *lacking))
    if unproven or not ledger.sound or _came_later(found):
        return Verdict("running", planned, (*unproven, *lacking))
    proven = f"everything in the plan ({counted}) was read back and proven equal at home"
    return Verdict("verified", (proven,), tuple(lacking))


def _unsound(ledger: LedgerView) -> Iterator[str]:
    if not ledger.sound:
        yield f"the ledger is not sound ({word_for(ledger.problem_count, 'problem', 'problems')})"


def _of_alarms(found: Found) -> Iterator[str]:
    for alarm in found.alarms:
        items = word_for(alarm.items, "item of", "items of")
        what = alarm.dataset or "no dataset"
        said = f", certified clear on {moment(alarm.certified)}" if alarm.certified else ""
        yield (
            f"withdrawn since {moment(alarm.since)}: {items} {what} lie again at {alarm.site}{said}"
        )


def _of_looks(found: Found) -> Iterator[str]:
    for look in found.looks:
        if look.overdue:
            yield (
                f"overdue: {look.site} was looked at last on {moment(look.last)} and was to be"
                f" again by {moment(look.due)} (`domicile recheck`)"
            )
        if look.how == "recheck" and not look.absent:
            yield (
                f"the recheck of {look.site} on {moment(look.last)} found items there, or could not"
                " examine all"
            )
        if all(site.name != look.site for site in found.after.sites):
            yield f"{look.site} was erased, and the latest scan did not look there"


def _of_media(found: Found) -> Iterator[str]:
    for medium in found.media:
        name = f"medium {shown(medium.serial)}"
        if medium.problems:
            yield f"{name}: {'; '.join(medium.problems)}"
        elif medium.state == "missing" or (medium.state != "destroyed" and not medium.home):
            who = f"{medium.state} of" if medium.state == "in custody" else f"{medium.state} from"
            yield f"{name} ({medium.medium}) is {who} {medium.holder}: nobody examined it"


def _of_scan(found: Found) -> Iterator[str]:
    after = found.after
    if found.unapproved:
        yield found.unapproved
    away = after.protected(home=False)
    if away:
        items = word_for(away, "protected item", "protected items")
        yield f"the latest scan found {items} of members away from home"
    if after.behind:
        rows = word_for(after.behind, "row", "rows")
        yield f"home lacks {rows} of members and of others too, as the latest scan saw them"
    if after.unexamined:
        items = word_for(after.unexamined, "item", "items")
        yield f"not examined: {items}, at home or away"
    if not after.members:
        yield "the latest scan found no member at all: are the people table and its country right?"
    if after.charter_sha256 != found.charter_sha256:
        yield "the charter changed since the latest scan"
    yield from _of_sites(found.before, after)


def _of_held(found: Found) -> Iterator[str]:
    for held in found.held:
        items = word_for(held.items, "item of", "items of")
        end = f"until {moment(held.until)}" if held.until else "until it is lifted"
        yield (
            f"held at {held.site}: {items} {held.dataset} ({held.reason}), {end}; still there and"
            " readable"
        )


def _of_sites(before: Snapshot, after: Snapshot) -> Iterator[str]:
    now = {site.name: site for site in after.sites}
    for site in before.sites:
        if site.name not in now:
            yield f"site {site.name} was not scanned again: the charter no longer names it"
        elif now[site.name].home and not site.home:
            yield f"site {site.name} was away when the plan was made and is now called home"


def _of_certificates(found: Found) -> Iterator[str]:
    by_site = {view.certificate.site: view for view in found.certificates}
    expected = _sites_to_certify(found.before)
    for site in expected:
        view = by_site.get(site)
        if view is None:
            yield f"site {site} has no certificate of erasure"
        elif view.problems:
            yield f"the certificate of {site}: {'; '.join(view.problems)}"
        elif not view.certificate.complete and not _attested_instead(view, found.after):
            lacking = ", ".join(view.certificate.lacking)
            yield f"the certificate of {site} is not complete ({lacking})"
    for site, view in by_site.items():
        if site not in expected and not (view.counts or _attested_instead(view, found.after)):
            yield f"the certificate of {site} cannot be relied on, or is not complete"


def _attested_instead(view: CertificateView, after: Snapshot) -> bool:
    """Whether all that a certificate lacks is what nobody examined, and that is attested."""
    there = after.holdings_of(view.certificate.site)
    attested = any(h.attested for h in there) and not any(h.unexamined for h in there)
    return attested and not view.problems and view.certificate.lacking == ("not examined",)


def _sites_to_certify(before: Snapshot) -> list[str]:
    """Sites away from home where the plan's scan found members' items."""
    held = {holding.site for holding in before.holdings if holding.protected}
    return [site.name for site in before.sites if site.name in held and not site.home]


def _unproven(shards: Sequence[ShardProgress]) -> Iterator[str]:
    copied = sum(shard.copied is None for shard in shards)
    verified = sum(not shard.attempts for shard in shards)
    failed = sum(bool(shard.failed or shard.erase_failed) for shard in shards)
    if copied:
        yield f"{copied:,} of {len(shards):,} shards were not copied yet"
    if verified:
        yield f"{verified:,} of {len(shards):,} shards were not verified yet"
    if failed:
        yield f"in {word_for(failed, 'shard', 'shards')} something failed"


def _blocked(plan: PlanView) -> Iterator[str]:
    if plan.blockers:
        yield f"the plan is blocked: {'; '.join(plan.blockers[:3])}"


def _came_later(found: Found) -> bool:
    settled = not list(_of_certificates(found))
    again = found.before.run != found.after.run
    later = found.after.protected(home=False) or found.after.behind
    return settled and again and bool(later)


def _rests_on(found: Found) -> Iterator[str]:
    after, certificates, ledger = found.after, found.certificates, found.ledger
    reached = sum(site.kind != "offline" for site in after.sites)
    sites = word_for(reached, "site", "sites")
    yield (
        f"the latest scan, of {sites}, found none of the members' protected items away from home"
        f" and left nothing unexamined{_but_attested(after)}"
    )
    if after.shared:
        yield (
            f"{word_for(after.shared, 'row', 'rows')} kept away from home are others' too (`persons"
            ' = "copy"`); home holds each of them as it is at the primary'
        )
    if certificates:
        certified = word_for(len(certificates), "certificate", "certificates")
        but = ", but for what is attested" if after.attested else ""
        yield f"{certified} of erasure: complete{but}, and signed with the ledger's key"
    destroyed = sum(not medium.home for medium in found.media)
    if destroyed:
        yield (
            f"{word_for(destroyed, 'medium', 'media')} destroyed, as signed statements say"
            " (attested)"
        )
    yield (
        f"the ledger's {ledger.size:,} entries and {ledger.files_checked:,} file digests were"
        " recomputed and are sound"
    )


def _but_attested(after: Snapshot) -> str:
    if not after.attested:
        return ""
    items = word_for(after.attested, "item", "items")
    return f" but {items} that nobody examined and signed statements are about (attested)"
