"""One span of a log, read and judged by itself: what a worker does, and what it says of it.

A span's entries, their hashes and tiles are checked here, and everything that needs no other span.
The rest (the tree above, claims of earlier entries, files) is the report's, for `verify` to settle
in the order of the log.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import groupby

from domicile.errors import EvidenceError
from domicile.ledger.approvals import is_reading
from domicile.ledger.entries import (
    Body,
    FileDigest,
    Opened,
    body_of,
    files_of,
    kind_hint,
    open_envelope,
    open_quickly,
)
from domicile.ledger.merkle import HASH_BYTES, leaf_hashes, root_of
from domicile.ledger.proposals import Approval, NeedsApproval
from domicile.ledger.store import Store
from domicile.ledger.texts import TextPart, named_texts
from domicile.ledger.tiles import TILE_WIDTH, Tile, split_hashes

__all__ = ["MOST_KEPT", "SPAN", "Span", "SpanReport", "claim_id", "examine", "examine_closely"]

SPAN = 64 * TILE_WIDTH
"""Entries of a whole span. Spans begin at multiples of a bundle's width."""
MOST_KEPT = 1_000
"""Problems, and notices, of which the sentences are kept."""
_LONGEST_CLAIM = 300  # as it is shown
_JUDGED = (Approval, NeedsApproval)
_NO_CHARTERS = frozenset[str]()
_MAX_SPAN_BYTES = 16 << 20  # of entries: a span that has more ends early


@dataclass(frozen=True, slots=True)
class Span:
    """Entries ``start`` to ``end`` of a log, to be examined. stops: the sizes in it at which the
    tree's root is wanted."""

    start: int
    end: int
    stops: frozenset[int] = frozenset()


@dataclass(slots=True)
class SpanReport:
    """What a span holds and what is wrong in it, as far as it tells by itself.

    start, end: what was examined; end is less than the span's where its entries are very large.
    tops: the hash over each of its complete bundles' entries; leaves: the leaf hashes of the one
    partial bundle, the log's last; stops: the leaf hashes before a wanted size in its bundle.
    missing: where neither entries nor their hashes can be read. problems and notices: sentences
    with the index that they are about, in order; problem_count counts also those not kept.
    kinds: entries by kind. first_index, first_time, last_time: of its readable entries. needs: by
    kind and claim id, the claim as it is shown and the entries that require it without an earlier
    one of this span that established it (`examine` leaves it at the claims, `examine_closely` names
    the entries). claims: ids of what it establishes. files: what entries name. approvals: with
    their times, and what needs one. ruled: kinds that need an approved charter, with the charter
    that they stand under, where they do first in the span or after an approval.
    """

    start: int
    end: int
    tops: list[bytes] = field(default_factory=list)
    leaves: list[bytes] = field(default_factory=list)
    stops: dict[int, list[bytes]] = field(default_factory=dict)
    missing: list[tuple[int, int]] = field(default_factory=list)
    problems: list[tuple[int, str]] = field(default_factory=list)
    problem_count: int = 0
    notices: list[tuple[int, str]] = field(default_factory=list)
    kinds: Counter[str] = field(default_factory=Counter)
    first_index: int = 0
    first_time: str = ""
    last_time: str = ""
    needs: dict[str, dict[bytes, tuple[str, list[int]]]] = field(default_factory=dict)
    claims: set[bytes] = field(default_factory=set)
    names: list[tuple[int, bytes, str]] = field(default_factory=list)
    texts: list[tuple[int, TextPart]] = field(default_factory=list)
    approvals: list[tuple[int, str, Approval | NeedsApproval]] = field(default_factory=list)
    ruled: list[tuple[int, str, str]] = field(default_factory=list)
    files: list[tuple[int, FileDigest]] = field(default_factory=list)

    @property
    def is_empty(self) -> bool:
        """Whether nothing of it could be read."""
        return self.missing == [(self.start, self.end)]

    def problem(self, index: int, sentence: str) -> None:
        """Something is wrong with, or from, entry ``index``."""
        self.problem_count += 1
        if len(self.problems) < MOST_KEPT:
            self.problems.append((index, sentence))

    def notice(self, index: int, sentence: str) -> None:
        """Something that an auditor may want to know."""
        if len(self.notices) < MOST_KEPT:
            self.notices.append((index, sentence))


def claim_id(claim: str) -> bytes:
    """What stands for a claim where many of them are kept."""
    return sha256(claim.encode(errors="surrogatepass")).digest()[:16]


def examine(store: Store, span: Span) -> SpanReport:
    """Read a span and judge it. Raises SiteError where the store does not answer."""
    examination = _Examination(store, span, SpanReport(span.start, span.end))
    examination.run()
    return examination.report


def examine_closely(store: Store, span: Span) -> SpanReport:
    """`examine` for a span that is known to require what nobody established."""
    examination = _CloseExamination(store, span, SpanReport(span.start, span.end))
    examination.run()
    return examination.report


@dataclass(slots=True)
class _Examination:
    store: Store
    span: Span
    report: SpanReport
    required: dict[str, set[str]] = field(default_factory=dict)
    """By kind, the claims that were required so far."""
    named: tuple[str, str | None] = ("", None)
    """Charter and policy of the entry before."""
    ruled: dict[str, set[str]] = field(default_factory=dict)
    """By kind, the charters that stood over it since an approval was read."""

    def run(self) -> None:
        first, end, read_bytes = self.span.start, self.span.end, 0
        while first < end and read_bytes < _MAX_SPAN_BYTES:
            width = min(TILE_WIDTH, end - first)
            if entries := self._bundle(first, width):
                self._read(first, entries)
                read_bytes += sum(map(len, entries))
            first += width
        self.report.end = first

    def _bundle(self, first: int, width: int) -> list[bytes]:
        """One bundle with its tile; the entries, if they can be read."""
        bundle, tile = Tile(None, first // TILE_WIDTH, width), Tile(0, first // TILE_WIDTH, width)
        entries = stored = None
        failed = []
        try:
            entries = self.store.bundle(bundle.index, width)
        except EvidenceError as error:
            failed.append(f"{bundle.path}: {error.failed}")
        try:
            stored = self.store.tile(tile)
        except EvidenceError as error:
            failed.append(f"{tile.path}: {error.failed}")
        if entries is None and stored is None:
            self._miss(first, width, failed)
            return []
        for sentence in failed:
            self.report.problem(first, sentence)
        leaves = split_hashes(stored or b"", width) if entries is None else leaf_hashes(entries)
        if entries is not None and stored is not None and b"".join(leaves) != stored:
            self._name_misfits(first, leaves, stored)
        self._grow(first, leaves)
        return entries or []

    def _grow(self, first: int, leaves: list[bytes]) -> None:
        """The tree over a bundle: over its entries, or the tile's hashes where they cannot be
        read."""
        for size in self.span.stops:
            if first < size <= first + len(leaves):
                self.report.stops[size] = leaves[: size - first]
        if len(leaves) == TILE_WIDTH:
            self.report.tops.append(root_of(leaves))
        else:
            self.report.leaves = leaves

    def _name_misfits(self, first: int, leaves: list[bytes], stored: bytes) -> None:
        for offset, leaf in enumerate(leaves):
            if stored[offset * HASH_BYTES :][:HASH_BYTES] != leaf:
                index = first + offset
                self.report.problem(index, f"entry {index} does not fit its hash in the tree")

    def _miss(self, first: int, width: int, failed: Sequence[str]) -> None:
        """Neither entries nor hashes. Of many that follow each other the first ones tell why."""
        begin, missing = first, self.report.missing
        if missing and missing[-1][1] == first:
            begin, _ = missing.pop()
        else:
            for sentence in failed:
                self.report.problem(first, sentence)
        missing.append((begin, first + width))

    def _read(self, first: int, entries: Sequence[bytes]) -> None:
        """What the entries say, those of one kind at once where that can be."""
        if opened := open_quickly(entries):
            self._take(first, opened)
            return
        for _, group in groupby(entries, kind_hint):
            run = list(group)
            if opened := open_quickly(run):
                self._take(first, opened)
            else:
                for index, data in enumerate(run, first):
                    self._read_one(index, data)
            first += len(run)

    def _read_one(self, index: int, data: bytes) -> None:
        if opened := open_quickly([data]):
            self._take(index, opened)
            return
        try:
            envelope = open_envelope(data)
            self._take_times(index, [envelope.time])
            self.report.kinds[envelope.kind] += 1
            body = body_of(envelope)
        except EvidenceError as error:
            self.report.problem(index, f"entry {index}: {error.failed}")
            return
        self._name(index, (envelope.charter, envelope.policy_sha256), body)
        self._rule(index, envelope.kind, envelope.charter)
        self._approve(index, envelope.time, body)
        self._take_bodies(index, envelope.kind, [body])

    def _take(self, first: int, opened: Sequence[Opened]) -> None:
        """Take in readable entries of one kind."""
        kind = opened[0].kind
        self.report.kinds[kind] += len(opened)
        self._take_times(first, [each.time for each in opened])
        if type(opened[0].body).establishes is not Body.establishes:
            for index, each in enumerate(opened, first):
                self._name(index, (each.charter, None), each.body)
                self._rule(index, kind, each.charter)
                self._take_bodies(index, kind, [each.body])
            return
        charters = {each.charter for each in opened}
        if self.named[1] is not None or charters != {self.named[0]}:
            for index, each in enumerate(opened, first):
                self._name(index, (each.charter, None), each.body)
        if isinstance(opened[0].body, _JUDGED):
            for index, each in enumerate(opened, first):
                self._rule(index, kind, each.charter)
                self._approve(index, each.time, each.body)
        elif not charters <= self.ruled.get(kind, _NO_CHARTERS):
            for index, each in enumerate(opened, first):
                self._rule(index, kind, each.charter)
        self._take_bodies(first, kind, [each.body for each in opened])

    def _name(self, index: int, named: tuple[str, str | None], body: Body) -> None:
        """An entry names the texts that it was made under. What puts a text in force itself need
        not wait for it."""
        if named == self.named:
            return
        rests = named_texts(*named)
        others = rests - body.establishes()
        for claim in sorted(others):
            known = claim_id(claim)
            if known not in self.report.claims:
                self.report.names.append((index, known, claim))
        if others == rests:
            self.named = named

    def _rule(self, index: int, kind: str, charter: str) -> None:
        """An entry may need an approved charter over it."""
        known = self.ruled.setdefault(kind, set())
        if charter not in known:
            known.add(charter)
            if not is_reading(kind):
                self.report.ruled.append((index, kind, charter))

    def _approve(self, index: int, time: str, body: Body) -> None:
        if isinstance(body, _JUDGED):
            self.report.approvals.append((index, time, body))
        if isinstance(body, Approval):
            self.ruled.clear()

    def _take_times(self, first: int, times: list[str]) -> None:
        report = self.report
        if not report.first_time:
            report.first_index, report.first_time = first, times[0]
        if times[0] < report.last_time or times != sorted(times):
            last = report.last_time
            for index, time in enumerate(times, first):
                if time < last:
                    sentence = f"entry {index}: its clock went back, from {last} to {time}"
                    report.notice(index, sentence)
                last = time
        report.last_time = times[-1]

    def _take_bodies(self, first: int, kind: str, bodies: Sequence[Body]) -> None:
        struct = type(bodies[0])
        if struct.establishes is not Body.establishes:
            for index, body in enumerate(bodies, first):
                self._take_needs(index, kind, [body])
                self._establish(index, body)
        elif struct.requires is not Body.requires:
            self._take_needs(first, kind, bodies)
        if "files" in struct.__struct_fields__:
            for index, body in enumerate(bodies, first):
                self.report.files += ((index, file) for file in files_of(body))

    def _take_needs(self, first: int, kind: str, bodies: Sequence[Body]) -> None:  # noqa: ARG002
        """What entries require; none of these establishes anything for another."""
        required = self.required.setdefault(kind, set())
        fresh = set[str]().union(*[body.requires() for body in bodies]) - required
        required |= fresh
        for claim in fresh:
            self._need(kind, claim)

    def _need(self, kind: str, claim: str) -> list[int] | None:
        """Who requires a claim; None if an entry before established it."""
        known = claim_id(claim)
        if known in self.report.claims:
            return None
        needs = self.report.needs.setdefault(kind, {})
        return needs.setdefault(known, (claim[:_LONGEST_CLAIM], []))[1]

    def _establish(self, index: int, body: Body) -> None:
        if isinstance(body, TextPart):
            self.report.texts.append((index, body))
            if not body.is_last:
                return
        self.report.claims |= {claim_id(claim) for claim in body.establishes()}


class _CloseExamination(_Examination):
    def _take_needs(self, first: int, kind: str, bodies: Sequence[Body]) -> None:
        for index, body in enumerate(bodies, first):
            for claim in body.requires():
                indices = self._need(kind, claim)
                if indices is not None:
                    indices.append(index)
