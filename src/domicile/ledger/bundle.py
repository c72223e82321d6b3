"""One question's answer out of the ledger, to be checked offline: a *bundle*.

It holds the entries that answer, those that they rest on, a proof of inclusion for each, and the
checkpoint with all its signatures. What is in ``outside`` checks it; the format is in
docs/ledger.md. Memory is bounded by the answer, not by the log.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import msgspec

from domicile.errors import EvidenceError, UsageError
from domicile.ledger.base64 import encode_base64
from domicile.ledger.checkpoint import Checkpoint
from domicile.ledger.entries import (
    Body,
    Envelope,
    FileDigest,
    body_of,
    files_of,
    registered_kinds,
)
from domicile.ledger.merkle import leaf_hash, verify_inclusion
from domicile.ledger.note import parse_note
from domicile.ledger.proofs import Prover
from domicile.ledger.question import Question
from domicile.ledger.store import CHECKPOINT, Store
from domicile.ledger.terms import read_found
from domicile.ledger.texts import TextPart, named_texts
from domicile.ledger.tiles import TILE_WIDTH
from domicile.ledger.tlog_proof import TlogProof

__all__ = ["FORMAT", "MAX_ENTRIES", "Bundle", "Keys", "Proven", "make_bundle"]

FORMAT = "domicile ledger bundle 1"
MAX_ENTRIES = 100_000
_BLOCKS_PER_PROVER = 256  # a prover keeps the tiles that it read
_ENVELOPE = msgspec.json.Decoder(Envelope)

_NOT_PROVEN = (
    "completeness: that these are all the entries that answer, only the whole log can show",
    "who signed: the keys in here are not to be trusted; have them from elsewhere",
    "one history for everybody: that takes witnesses, or a checkpoint kept from earlier",
    "truth: an entry was made, in this order, and not changed since; not that it says what is so",
)


class Keys(msgspec.Struct, frozen=True):
    """Public keys, ``name+hexid+base64``, as the log gives them. Not trusted by being here."""

    log: tuple[str, ...]
    witnesses: tuple[str, ...] = ()


class Proven(msgspec.Struct, frozen=True):
    """An entry, as text (it is JSON); path numbers the bundle's nodes, from the leaf's sibling up.
    asked: whether it answers the question; else an entry that does rests on it."""

    index: int
    asked: bool
    entry: str
    path: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Bundle:
    """An answer. nodes are hashes; broken says what the answer lacks to be believed; unreadable
    counts entries that may or may not answer: they are not of the ledger's form."""

    question: Question
    keys: Keys
    note: bytes
    head: Checkpoint
    entries: tuple[Proven, ...]
    nodes: tuple[bytes, ...]
    files: tuple[FileDigest, ...]
    broken: tuple[str, ...]
    unreadable: int

    def encode(self) -> Iterator[bytes]:
        """The JSON document in pieces, an entry or a hash to a line."""
        yield b'{"format": ' + _json(FORMAT)
        yield b',\n"question": ' + _json(self.question)
        yield b',\n"does_not_prove": ' + _json(_NOT_PROVEN)
        yield b',\n"keys": ' + _json(self.keys)
        yield b',\n"checkpoint": ' + _json(self.note.decode())
        yield from _lines("entries", (_json(row) for row in self.entries))
        yield from _lines("nodes", (_json(encode_base64(node)) for node in self.nodes))
        yield b"}\n"

    def proofs(self) -> Iterator[tuple[int, bytes, bytes]]:
        """For other people's tools: index, entry and C2SP tlog-proof of each."""
        for row in self.entries:
            path = tuple(self.nodes[number] for number in row.path)
            yield row.index, row.entry.encode(), TlogProof(row.index, path, self.note).encode()


def make_bundle(directory: Path, question: Question, keys: Keys) -> Bundle:
    """Answer a question from a log's directory, under its published checkpoint.

    Raises EvidenceError where the log is damaged, UsageError where nothing answers or more than
    `MAX_ENTRIES` do.
    """
    store = Store(directory)
    note = store.note()
    if note is None:
        raise EvidenceError(
            f"{directory} holds no {CHECKPOINT}", next_step="restore it, or run `domicile scan`"
        )
    head = Checkpoint.parse(parse_note(note).text)
    gathered = _Gathered(question)
    gathered.read(store, head.size)
    entries, nodes = _prove(store, head, gathered)
    return Bundle(
        question=question,
        keys=keys,
        note=note,
        head=head,
        entries=entries,
        nodes=nodes,
        files=tuple(dict.fromkeys(gathered.files)),
        broken=tuple(
            f"entry {index} requires {claim!r}, which no earlier entry established"
            for claim, index in sorted(gathered.pending.items(), key=lambda item: item[1])
        ),
        unreadable=gathered.unreadable,
    )


@dataclass(slots=True)
class _Gathered:
    """What answers, and what that rests on, read from the log's end to its beginning: what a claim
    rests on comes before it, so one pass finds it.

    Invariant: ``pending`` holds the claims that entries gathered so far require and no entry read
    so far established, with one of those that require them.
    """

    question: Question
    picked: dict[int, tuple[bool, bytes]] = field(default_factory=dict)
    pending: dict[str, int] = field(default_factory=dict)
    files: list[FileDigest] = field(default_factory=list)
    unreadable: int = 0

    def read(self, store: Store, size: int) -> None:
        end = size if self.question.end is None else min(size, self.question.end)
        for block in reversed(range(-(-end // TILE_WIDTH))):
            first = block * TILE_WIDTH
            if first + TILE_WIDTH <= self.question.first and not self.pending:
                break
            entries = store.bundle(block, min(TILE_WIDTH, size - first))
            for offset in reversed(range(min(len(entries), end - first))):
                self._look(first + offset, entries[offset])
        if not self.picked:
            raise UsageError(
                "no entry answers the question",
                expected="at least one; that there is none, only the whole log can show",
                next_step="ask for more, or run `domicile ledger verify` on the whole log",
            )

    def _look(self, index: int, data: bytes) -> None:
        asked = False
        if self.question.spans(index):
            found = read_found(index, data)
            self.unreadable += not found.kind
            asked = self.question.answers(found)
        if not asked and not self.pending:
            return
        envelope = _envelope(data)
        body = _body(envelope, claiming=not asked) if envelope is not None else None
        if asked or (body is not None and not self.pending.keys().isdisjoint(body.establishes())):
            self._pick(index, data, asked=asked)
            if envelope is not None and body is not None:
                self._weigh(index, envelope, body)

    def _pick(self, index: int, data: bytes, *, asked: bool) -> None:
        if len(self.picked) >= MAX_ENTRIES:
            raise UsageError(
                f"more than {MAX_ENTRIES:,} entries answer the question",
                expected="an answer that fits into one document",
                next_step="ask for less, or hand over a copy of the log: `verify_bundle.py --log`",
            )
        self.picked[index] = (asked, data)

    def _weigh(self, index: int, envelope: Envelope, body: Body) -> None:
        """What this entry settles, and what it rests on. A text is settled by its first part: on
        the way there all the others are picked too."""
        if not isinstance(body, TextPart) or body.part == 0:
            for claim in body.establishes():
                self.pending.pop(claim, None)
        else:
            self.pending.update(dict.fromkeys(body.establishes(), index))
        texts = named_texts(envelope.charter, envelope.policy_sha256) - body.establishes()
        for claim in body.requires() | texts:
            self.pending.setdefault(claim, index)
        self.files.extend(files_of(body))


def _envelope(data: bytes) -> Envelope | None:
    try:
        return _ENVELOPE.decode(data)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None


def _body(envelope: Envelope, *, claiming: bool) -> Body | None:
    """The body, or None where it is unknown here (then it has no claims that we can read), or makes
    none that others rest on and that is what matters."""
    if claiming and (envelope.kind, envelope.version) not in _claiming():
        return None
    try:
        return body_of(envelope)
    except EvidenceError:
        return None


@cache
def _claiming() -> frozenset[tuple[str, int]]:
    """The kinds whose entries others may rest on."""
    kinds = registered_kinds()
    return frozenset((k, v) for k, v, body in kinds if body.establishes is not Body.establishes)


def _prove(
    store: Store, head: Checkpoint, gathered: _Gathered
) -> tuple[tuple[Proven, ...], tuple[bytes, ...]]:
    """Each entry with its proof, which is checked before anybody else sees it."""
    numbers: dict[bytes, int] = {}
    proven, prover, span = [], Prover(store, head.size), 0
    for index in sorted(gathered.picked):
        if index // (TILE_WIDTH * _BLOCKS_PER_PROVER) != span:
            span = index // (TILE_WIDTH * _BLOCKS_PER_PROVER)
            prover = Prover(store, head.size)
        asked, data = gathered.picked[index]
        path = prover.inclusion(index)
        verify_inclusion(leaf_hash(data), index, head.size, path, head.root)
        steps = tuple(numbers.setdefault(node, len(numbers)) for node in path)
        proven.append(Proven(index, asked, _text(index, data), steps))
    return tuple(proven), tuple(numbers)


def _text(index: int, data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise EvidenceError(
            f"entry {index} is not UTF-8",
            expected="entries of JSON",
            next_step="hand over a copy of the log instead: `verify_bundle.py --log`",
        ) from error


def _json(value: object) -> bytes:
    return msgspec.json.encode(value)


def _lines(name: str, rows: Iterator[bytes]) -> Iterator[bytes]:
    """A member of the document whose items stand on a line each."""
    yield b',\n"' + name.encode() + b'": ['
    separator = b"\n"
    for row in rows:
        yield separator + row
        separator = b",\n"
    yield b"\n]"
