"""Check a whole log and the chain of evidence in it, in bounded memory, trusting only the keys."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from domicile.errors import EvidenceError
from domicile.ledger.chain import Chain
from domicile.ledger.checkpoint import Checkpoint
from domicile.ledger.growth import Growth
from domicile.ledger.keys import Verifier
from domicile.ledger.note import cosigners, open_checkpoint
from domicile.ledger.sources import Source
from domicile.ledger.spans import MOST_KEPT, Span, SpanReport, examine_closely
from domicile.ledger.store import CHECKPOINT, SIGNED, Store
from domicile.ledger.walk import Walk

__all__ = ["Verification", "verify_log"]


@dataclass(frozen=True, slots=True)
class Verification:
    """What was checked, and what is wrong.

    root is hex, recomputed from the entries; empty where too much is missing. checkpoint is the
    signed note that the log was held against; empty where no trusted key signed it. files_checked
    counts file digests that were recomputed, right or wrong; files_unchecked those that were not,
    since nobody gave the records. problems are plain sentences, the
    first 1,000 of problem_count; notices are what an auditor may want to know and is not wrong in
    itself (the clock went back, an append was interrupted).
    """

    origin: str
    size: int
    root: str
    entries_by_kind: Mapping[str, int]
    checkpoint: str
    files_checked: int
    files_unchecked: int
    problems: tuple[str, ...]
    problem_count: int
    notices: tuple[str, ...]

    @property
    def sound(self) -> bool:
        """Whether nothing is wrong."""
        return self.problem_count == 0


def verify_log(  # noqa: PLR0913 - what a reader holds it against, by name
    source: Path | Source,
    vkeys: Sequence[str],
    records: Path | None,
    *,
    seen: Sequence[bytes] = (),
    witnesses: Sequence[Verifier] = (),
    cosignatures_needed: int = 0,
    workers: int = 1,
) -> Verification:
    """Recompute every bundle and tile, check the checkpoint's signature, hash every file that an
    entry names under ``records``, and check that what an entry requires an earlier one established.

    vkeys are the public keys that the reader trusts; seen are checkpoints the reader kept from
    earlier, which this log must extend. Of ``witnesses`` (their keys; a name is one witness) as
    many as ``cosignatures_needed`` must have co-signed the published checkpoint. With ``workers``
    processes the same is found in the same order. Raises UsageError on a malformed key,
    EvidenceError where no checkpoint is readable at all, SiteError where the source does not
    answer.
    """
    verifiers = [Verifier.parse(vkey) for vkey in vkeys]
    store, findings = Store(source), _Findings()
    head, note = _head(store, verifiers, findings)
    _check_cosignatures(store, witnesses, cosignatures_needed, findings)
    earlier = [(f"checkpoint {n} seen earlier", note) for n, note in enumerate(seen, 1)]
    heads = [head, *_earlier(earlier, verifiers, head, findings)]
    growth, reading = Growth(store), _Reading(store, findings)
    walk = Walk(store, head.size, frozenset(h.size for h in heads), workers)
    with closing(Chain(records, head.origin)) as chain:
        for report in walk.reports():
            reading.take(report, growth.grow(report), chain)
    findings.problems_of(growth.finish())
    _compare_roots(growth, heads, findings)
    return Verification(
        origin=head.origin,
        size=head.size,
        root=growth.edge.root().hex() if growth.is_complete else "",
        entries_by_kind=dict(sorted(reading.kinds.items())),
        checkpoint=note.decode(),
        files_checked=chain.files_checked,
        files_unchecked=chain.files_unchecked,
        problems=tuple(findings.problems),
        problem_count=findings.problem_count,
        notices=tuple(findings.notices),
    )


@dataclass(slots=True)
class _Findings:
    problems: list[str] = field(default_factory=list)
    problem_count: int = 0
    notices: list[str] = field(default_factory=list)

    def problem(self, sentence: str) -> None:
        self.problem_count += 1
        if len(self.problems) < MOST_KEPT:
            self.problems.append(sentence)

    def problems_of(self, sentences: Iterable[str]) -> None:
        for sentence in sentences:
            self.problem(sentence)

    def notice(self, sentence: str) -> None:
        if len(self.notices) < MOST_KEPT:
            self.notices.append(sentence)


def _head(
    store: Store, verifiers: Sequence[Verifier], findings: _Findings
) -> tuple[Checkpoint, bytes]:
    """The head to check against, with its note: the published one, or the last one signed where
    that is further (an append was interrupted before it published, or the published one was rolled
    back). The note is empty where nobody trusted signed it.
    """
    # Read in this order, a concurrent append can only make the published one the larger.
    signed = _note(store, SIGNED, verifiers, None)
    published = _note(store, CHECKPOINT, verifiers, findings)
    if signed is None:
        # unsigned, but the rest can still be judged
        return published or (store.checkpoint(), b"")
    if published is not None and published[0].size >= signed[0].size:
        return published
    shown = "none" if published is None else f"size {published[0].size}"
    findings.notice(
        f"the published checkpoint ({shown}) is behind the last one signed (size {signed[0].size}):"
        " an append was interrupted or the checkpoint was rolled back; checked to the signed size"
    )
    return signed


def _note(
    store: Store, name: str, verifiers: Sequence[Verifier], findings: _Findings | None
) -> tuple[Checkpoint, bytes] | None:
    try:
        data = store.note(name)
        if data is not None:
            return open_checkpoint(data, verifiers), data
        failed = "it is missing"
    except EvidenceError as error:
        failed = error.failed
    if findings is not None:
        findings.problem(f"the {name}: {failed}")
    return None


def _check_cosignatures(
    store: Store, witnesses: Sequence[Verifier], needed: int, findings: _Findings
) -> None:
    """Whether enough witnesses co-signed what is published. A wrong cosignature is a problem, one
    of a stranger is not."""
    try:
        data = store.note()
        signed = sorted(cosigners(data, witnesses)) if data is not None else []
    except EvidenceError as error:
        findings.problem(f"the checkpoint's cosignatures: {error.failed}")
        return
    if len(signed) < needed:
        findings.problem(
            f"{len(signed)} witnesses co-signed the checkpoint ({', '.join(signed) or 'none'}),"
            f" and {needed} must"
        )


def _earlier(
    notes: Sequence[tuple[str, bytes]],
    verifiers: Sequence[Verifier],
    head: Checkpoint,
    findings: _Findings,
) -> list[Checkpoint]:
    heads = []
    for name, note in notes:
        try:
            earlier = open_checkpoint(note, verifiers)
        except EvidenceError as error:
            findings.problem(f"{name}: {error.failed}")
            continue
        if earlier.origin != head.origin:
            findings.problem(f"{name} is of another log, {earlier.origin}")
        elif earlier.size > head.size:
            findings.problem(
                f"the log was rolled back: {name} covers {earlier.size} entries,"
                f" the log now {head.size}"
            )
        else:
            heads.append(earlier)
    return heads


def _compare_roots(growth: Growth, heads: Sequence[Checkpoint], findings: _Findings) -> None:
    if not growth.is_complete:
        findings.problem("the root cannot be recomputed: entries and their hashes are missing")
        return
    for head in heads:
        if growth.roots.get(head.size) != head.root:
            findings.problem(f"the entries do not lead to the root signed at size {head.size}")


@dataclass(slots=True)
class _Reading:
    """Puts together what the spans say, in the order of the log."""

    store: Store
    findings: _Findings
    kinds: Counter[str] = field(default_factory=Counter)
    last_time: str = ""

    def take(self, report: SpanReport, above: Iterable[str], chain: Chain) -> None:
        """above: what is wrong with the tree over the span."""
        self.kinds.update(report.kinds)
        found = [*report.problems]
        if not chain.meets(report.needs):
            closely = examine_closely(self.store, Span(report.start, report.end))
            found += chain.unmet(closely.needs)
        found += chain.unnamed(report.names)
        found += chain.misread(report.texts)
        found += chain.unapproved(report.texts, report.approvals, report.ruled)
        chain.establish(report.claims)
        found += chain.changed(report.files)
        for _, sentence in sorted(found):
            self.findings.problem(sentence)
        self.findings.problem_count += report.problem_count - len(report.problems)
        self.findings.problems_of(above)
        self._take_notices(report)
        for _, sentence in chain.replaced():
            self.findings.notice(sentence)

    def _take_notices(self, report: SpanReport) -> None:
        if report.first_time < self.last_time and report.kinds:
            self.findings.notice(
                f"entry {report.first_index}: its clock went back,"
                f" from {self.last_time} to {report.first_time}"
            )
        for _, sentence in report.notices:
            self.findings.notice(sentence)
        self.last_time = report.last_time or self.last_time
