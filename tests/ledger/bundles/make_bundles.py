"""Bundles named for their fault: one that holds, and one for everything that may be wrong.

``python -m tests.ledger.bundles.make_bundles DIRECTORY`` writes them all, with ``log.vkey`` and
``witness-N.vkey``; ``--keep`` makes good.json anew, which is kept beside this file so that what was
exported once stays readable.
"""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import domicile.cli.kinds  # noqa: F401 - every kind that there is
from domicile.erase.entries import ShardBegun, ShardErased
from domicile.inventory.entries import CharterInForce
from domicile.ledger import Body, Entry, FileDigest, FileSigner, Log, decode, encode
from domicile.ledger.bundle import FORMAT
from domicile.ledger.checkpoint import Checkpoint
from domicile.ledger.keys import COSIGN_ED25519, COSIGN_MLDSA44
from domicile.ledger.merkle import inclusion_proof, leaf_hash, root_of
from domicile.ledger.note import Note, Signature, parse_note
from domicile.ledger.signing import sign_note
from domicile.move.entries import ShardVerified
from domicile.scan.entries import ScanStarted

ORIGIN = "example.com/ledger"
LOG = [FileSigner(ORIGIN, bytes([1] * 32)), FileSigner(ORIGIN, bytes([2] * 32), COSIGN_MLDSA44)]
WITNESSES = [
    FileSigner("example.org/witness-1", bytes([3] * 32), COSIGN_ED25519),
    FileSigner("example.net/witness-2", bytes([10] * 32), COSIGN_ED25519),
    FileSigner("example.net/witness-3", bytes([4] * 32), COSIGN_MLDSA44),
]
STRANGER = FileSigner("example.org/stranger", bytes([5] * 32), COSIGN_ED25519)
FORGER = [FileSigner(ORIGIN, bytes([6] * 32)), FileSigner(ORIGIN, bytes([7] * 32), COSIGN_MLDSA44)]
OTHER = [FileSigner("example.com/other", bytes([8] * 32))]
ITS_OWN = FileSigner(ORIGIN, bytes([9] * 32), COSIGN_ED25519)
SIGNED_AT = 1_770_000_000
PARTS = ("[company]\n", 'name = "Reel"\n')
CHARTER = sha256("".join(PARTS).encode()).hexdigest()
RUN, SITE = "20260301T000000Z-abcdef", "virginia-db"
KEPT = Path(__file__).with_name("good.json")

Document = dict[str, Any]
HOLDS, BROKEN, UNPROVEN = 0, 1, 2


@dataclass(frozen=True)
class Case:
    """A bundle, and how a verifier ends that was given the log's keys and the witnesses'; says is
    in what it says of it, so that no fault is found for another's reason."""

    data: bytes
    ends: int
    says: str = "HOLDS"


def file_of(shard: str) -> bytes:
    """What the file of a shard's verification holds."""
    return f"rows of {shard}, as they were compared\n".encode()


def digest(shard: str) -> FileDigest:
    data = file_of(shard)
    path = f"runs/{RUN}/verified/{shard}.000.parquet"
    return FileDigest(path=path, sha256=sha256(data).hexdigest(), size_bytes=len(data))


def verified(shard: str) -> ShardVerified:
    return ShardVerified(RUN, shard, "oracle-db", (SITE,), (), 7, 0, (digest(shard),))


def begun(shard: str) -> ShardBegun:
    return ShardBegun(RUN, shard, SITE, digest(shard).sha256)


def erased(shard: str) -> ShardErased:
    return ShardErased(RUN, shard, SITE, digest(shard).sha256, 7, 0, 0, 0, "", ())


def spelled(bodies: Iterable[Body]) -> list[bytes]:
    """The bodies as entries, a minute apart."""
    begin = datetime(2026, 3, 1, tzinfo=UTC)
    return [
        encode(Entry(body, begin + timedelta(minutes=number), CHARTER))
        for number, body in enumerate(bodies)
    ]


def charter() -> list[Body]:
    """The charter's text, in two parts."""
    parts = list(enumerate(PARTS))
    return [CharterInForce(CHARTER, number, len(parts), text) for number, text in parts]


def story() -> list[bytes]:
    """The charter, a scan, three shards verified, begun and erased; two more, nobody's question."""
    shards = [f"rows-messages-{number:05d}" for number in range(3)]
    others = [f"rows-videos-{number:05d}" for number in range(2)]
    started = ScanStarted(RUN, "us", "domicile", ())
    first = [*charter(), started, *map(verified, shards), *map(verified, others)]
    return spelled([*first, *map(begun, shards), *map(erased, shards)])


def append(directory: Path, bodies: Sequence[Body]) -> None:
    """Write them to a log, behind the charter's text where it is new."""
    with Log.open(directory, LOG, ORIGIN) as log:
        whole = bodies if log.size else [*charter(), *bodies]
        log.append([decode(data) for data in spelled(whole)])


def bundle_of(
    entries: Sequence[bytes],
    picked: Sequence[int],
    asked: Callable[[int], bool] = lambda _: True,
    *,
    signers: Sequence[FileSigner] = (*LOG, *WITNESSES),
    question: Document | None = None,
) -> Document:
    """A bundle of some entries of a log that holds these."""
    leaves = [leaf_hash(entry) for entry in entries]
    origin = signers[0].name
    note = sign_note(Checkpoint(origin, len(leaves), root_of(leaves)).text, signers, SIGNED_AT)
    numbers: dict[bytes, int] = {}
    rows = [
        {
            "index": index,
            "asked": asked(index),
            "entry": entries[index].decode(),
            "path": [
                numbers.setdefault(node, len(numbers)) for node in inclusion_proof(leaves, index)
            ],
        }
        for index in picked
    ]
    return {
        "format": FORMAT,
        "question": {"kinds": ["erase"]} if question is None else question,
        "does_not_prove": ["completeness"],
        "keys": {
            "log": [signer.vkey for signer in signers if signer.name == origin],
            "witnesses": [signer.vkey for signer in signers if signer.name != origin],
        },
        "checkpoint": note.encode().decode(),
        "entries": rows,
        "nodes": [base64.b64encode(node).decode() for node in numbers],
    }


def good() -> Document:
    """Three erasures at their beginning and end, and what they rest on."""
    return bundle_of(story(), [0, 1, 3, 4, 5, *range(8, 14)], lambda index: index >= 8)


def written(document: object) -> bytes:
    return json.dumps(document, ensure_ascii=False).encode()


def cases(kept: Document) -> dict[str, Case]:
    """Every case, made from a good bundle."""
    changed = {
        name: Case(written(change(_copy(kept))), BROKEN, says)
        for says, changes in CHANGES.items()
        for name, change in changes.items()
    }
    texts = {
        name: Case(data, BROKEN, says)
        for says, group in _texts(kept).items()
        for name, data in group.items()
    }
    lies = {
        name: Case(written(document), BROKEN, says)
        for says, group in _lies().items()
        for name, document in group.items()
    }
    harmless = {name: Case(written(document), HOLDS) for name, document in _harmless(kept).items()}
    return {**changed, **texts, **lies, **harmless}


def _copy(document: Document) -> Document:
    copy: Document = json.loads(json.dumps(document))
    return copy


Change = Callable[[Document], object]


def _entry(change: Callable[[list[Document]], object]) -> Change:
    def changed(document: Document) -> Document:
        change(document["entries"])
        return document

    return changed


def _with(**parts: Any) -> Change:  # noqa: ANN401 - whatever a bundle may hold
    return lambda document: {**document, **parts}


def _replaced(at: int, name: str, value: Any) -> Change:  # noqa: ANN401 - see _with
    return _entry(lambda rows: rows[at].__setitem__(name, value))


def _swapped(name: str) -> Change:
    def swap(rows: list[Document]) -> None:
        rows[6][name], rows[7][name] = rows[7][name], rows[6][name]

    return _entry(swap)


def _node(change: Callable[[str], str]) -> Change:
    def changed(document: Document) -> Document:
        document["nodes"][0] = change(document["nodes"][0])
        return document

    return changed


def _note(change: Callable[[str], str]) -> Change:
    def changed(document: Document) -> Document:
        after = change(document["checkpoint"])
        assert after != document["checkpoint"]
        return {**document, "checkpoint": after}

    return changed


def _lines(change: Callable[[list[str]], list[str]]) -> Change:
    """Change the signature lines."""

    def changed(text: str) -> str:
        head, _, rest = text.rpartition("\n\n")
        return head + "\n\n" + "".join(f"{line}\n" for line in change(rest.split("\n")[:-1]))

    return _note(changed)


def _bit(line: str) -> str:
    """A signature line with one bit of its signature the other way."""
    head, _, encoded = line.rpartition(" ")
    raw = bytearray(base64.b64decode(encoded))
    raw[-1] ^= 1
    return f"{head} {base64.b64encode(bytes(raw)).decode()}"


def _cosigned_at(seconds: int) -> Callable[[str], str]:
    """The first witness's cosignature made anew, as of another time."""

    def changed(text: str) -> str:
        note, witness = parse_note(text.encode()), WITNESSES[0]
        signed = witness.sign(b"cosignature/v1\ntime %d\n" % seconds + note.text.encode())
        old = next(line for line in note.signatures if line.name == witness.name)
        new = Signature(old.name, old.key_id, seconds.to_bytes(8, "big") + signed)
        return text.replace(old.line, new.line)

    return changed


def _forged(rows: list[Document]) -> None:
    (entry,) = spelled([erased("rows-messages-00009")])
    rows.append({"index": 13, "asked": True, "entry": entry.decode(), "path": rows[-1]["path"]})
    rows[-2]["index"] = 12
    del rows[-3]


def _other_bits(text: str) -> str:
    """Another spelling of the same bytes."""
    assert text.endswith("=")
    other = text[:-2] + chr(ord(text[-2]) + 1) + "="
    assert base64.b64decode(other[-44:]) == base64.b64decode(text[-44:])
    return other


CHANGES: dict[str, dict[str, Change]] = {
    "is not in the tree": {
        "a-node-too-short": _node(lambda _: base64.b64encode(bytes(31)).decode()),
        "a-node-in-other-base64": _node(_other_bits),
        "a-node-with-a-blank": _node(lambda text: text + " "),
        "a-node-without-padding": _node(lambda text: text.rstrip("=")),
        "an-entry-changed": _entry(
            lambda rows: rows[10].update(
                entry=rows[10]["entry"].replace('"erased":7', '"erased":8')
            )
        ),
        "an-entry-changed-by-a-blank": _entry(
            lambda rows: rows[10].update(entry=rows[10]["entry"] + " ")
        ),
        "the-texts-of-two-entries-swapped": _swapped("entry"),
        "the-indices-of-two-entries-swapped": _swapped("index"),
        "an-entry-added": _entry(_forged),
        "a-proof-truncated": _entry(lambda rows: rows[10]["path"].pop()),
        "a-proof-extended": _entry(lambda rows: rows[10]["path"].append(0)),
        "a-proof-emptied": _replaced(10, "path", []),
        "a-proof-upside-down": _entry(lambda rows: rows[10]["path"].reverse()),
        "a-node-changed": _node(lambda _: base64.b64encode(bytes(32)).decode()),
    },
    "rests on what no earlier one says": {
        "the-verification-removed": _entry(lambda rows: rows.pop(2)),
        "a-part-of-the-charter-removed": _entry(lambda rows: rows.pop(1)),
        "the-charter-removed": _entry(lambda rows: rows.__delitem__(slice(2))),
        "the-beginning-removed": _entry(lambda rows: rows.pop(5)),
    },
    "are left out": {
        "all-entries-removed": _entry(lambda rows: rows.clear()),
        "all-that-was-asked-for-removed": _entry(lambda rows: rows.__delitem__(slice(5, None))),
    },
    "not in the order of the log": {
        "entries-reordered": _entry(lambda rows: rows.reverse()),
        "two-entries-reordered": _entry(lambda rows: rows.insert(5, rows.pop(6))),
        "an-entry-repeated": _entry(lambda rows: rows.append(rows[-1])),
        "an-index-moved": _replaced(10, "index", 14),
        "an-index-below-nothing": _replaced(0, "index", -1),
        "an-index-that-is-text": _replaced(0, "index", "1"),
        "an-index-that-is-true": _replaced(0, "index", value=True),
        "an-index-that-is-a-fraction": _replaced(0, "index", 1.5),
        "an-index-of-many-digits": _replaced(10, "index", 10**30),
        "an-index-beyond-a-double": _replaced(10, "index", 2**53 + 1),
        "a-proof-by-a-node-before-the-first": _entry(
            lambda rows: rows[10]["path"].__setitem__(0, rows[10]["path"][0] - 100)
        ),
    },
    "malformed": {
        "a-proof-by-a-node-after-the-last": _replaced(10, "path", [10**6]),
        "a-proof-that-is-text": _replaced(10, "path", "0"),
        "a-node-that-is-a-number": lambda document: {**document, "nodes": [0, *document["nodes"]]},
        "nodes-removed": _with(nodes=[]),
        "no-entries": _with(entries=None),
        "a-list": lambda document: [document],
    },
    "not canonical base64": {
        "a-signature-in-other-base64": _lines(lambda lines: [_other_bits(lines[0]), *lines[1:]]),
    },
    "it is no domicile ledger bundle 1": {
        "another-format": _with(format="domicile ledger bundle 2"),
    },
    "no signed note": {
        "the-checkpoint-cut-off": _note(lambda text: text[:-2]),
        "the-checkpoint-with-a-leading-zero": _note(
            lambda text: text.replace("\n14\n", "\n014\n", 1)
        ),
        "the-checkpoint-of-a-huge-size": _note(
            lambda text: text.replace("\n14\n", f"\n{10**30}\n", 1)
        ),
        "the-checkpoint-with-a-tab": _note(lambda text: text.replace("\n\n", "\n\t\n\n", 1)),
        "the-checkpoint-unsigned": _lines(lambda _: []),
        "a-signature-line-with-a-hyphen": _lines(
            lambda lines: [lines[0].replace("—", "-"), *lines[1:]]
        ),
    },
    "is wrong": {
        "the-checkpoint-of-another-size": _note(lambda text: text.replace("\n14\n", "\n15\n", 1)),
        "the-checkpoint-with-a-line-more": _note(
            lambda text: text.replace("\n\n", "\nmore\n\n", 1)
        ),
        "a-wrong-ed25519-signature": _lines(lambda lines: [_bit(lines[0]), *lines[1:]]),
        "a-wrong-signature-after-the-right-one": _lines(lambda lines: [*lines, _bit(lines[0])]),
        "a-cosignature-of-no-time": _note(_cosigned_at(0)),
        "a-cosignature-after-all-times": _note(_cosigned_at(2**63)),
        "a-wrong-cosignature": _lines(lambda lines: [*lines[:2], _bit(lines[2]), *lines[3:]]),
    },
    "did not sign its checkpoint": {
        "not-signed-by-the-log": _lines(lambda lines: lines[2:]),
        "not-signed-with-ed25519": _lines(lambda lines: lines[1:]),
        "not-signed-with-ml-dsa": _lines(lambda lines: [lines[0], *lines[2:]]),
    },
    "WRONG        witnesses that you named": {
        "a-witness-missing": _lines(lambda lines: [*lines[:2], *lines[3:]]),
    },
}
"""What can be done to a bundle by whoever passes it on, by what is said of it."""


def _texts(kept: Document) -> dict[str, dict[str, bytes]]:
    """What is not even such a document."""
    text = written(kept)
    inner = json.dumps(kept["entries"][10]["entry"])
    half = inner.replace("virginia-db", "virginia\\ud800db")
    deep = b'"question": {"a": ' + b"[" * 100_000 + b"]" * 100_000 + b", "
    return {
        "it is not JSON": {
            "nothing": b"",
            "not-json": text[:-1],
            "not-utf-8": text.replace(b"virginia", b"virgini\xff", 1),
            "more-than-one-document": text + text,
            "half-a-character": text.replace(inner.encode(), half.encode()),
            "a-number-of-many-digits": text.replace(b'"index": 13', b'"index": ' + b"9" * 10_000),
            "a-number-beyond-all": text.replace(b'"index": 13', b'"index": 1e999'),
            "not-a-number": text.replace(b'"index": 13', b'"index": NaN'),
            "deep-brackets": text.replace(b'"question": {', deep, 1),
            "a-byte-order-mark": b"\xef\xbb\xbf" + text,
            "a-trailing-comma": text[:-1] + b",}",
            "a-control-character": text.replace(b'"question": {', b'"question": {"a\tb": 0, ', 1),
        },
        "names a thing twice": {
            "a-name-twice": text.replace(b'"nodes":', b'"nodes": [], "nodes":', 1),
            "a-name-twice-spelled-differently": text.replace(
                b'"nodes":', b'"n\\u006fdes": [], "nodes":', 1
            ),
            "a-name-twice-in-a-row": text.replace(b'"index":', b'"index": 0, "index":', 1),
        },
    }


def _lies() -> dict[str, dict[str, Document]]:
    """What a log itself may sign that no honest one holds; and what another log signed."""
    one, two = "rows-messages-00000", "rows-messages-00001"
    chains = {
        "erased-without-verification": [begun(one), erased(one)],
        "verified-after-it-was-erased": [begun(one), erased(one), verified(one)],
        "erased-without-beginning": [verified(one), erased(one)],
        "erased-for-another-shard": [verified(two), begun(one), erased(one)],
    }
    (fine,) = spelled([verified(one)])
    unreadable = {
        "an-entry-that-is-not-json": b"{",
        "an-entry-that-is-a-list": b"[]",
        "an-entry-without-its-fields": fine.replace(b'"sites"', b'"places"', 1),
    }
    twice = fine.replace(b'"run":', b'"run":"other","run":', 1)
    ruled = encode(Entry(verified(one), datetime(2026, 3, 1, tzinfo=UTC), CHARTER, policy="a" * 64))
    whole, rows = story(), range(14)
    everything = bundle_of(whole, rows, question={})
    del everything["entries"][4]
    unsigned = {**bundle_of(whole[:10], range(10)), "checkpoint": good()["checkpoint"]}
    return {
        "rests on what no earlier one says": {
            name: bundle_of(spelled([*charter(), *bodies]), range(len(bodies) + 2))
            for name, bodies in chains.items()
        }
        | {"a-policy-that-is-not-there": bundle_of([*spelled(charter()), ruled], range(3))},
        "entry 0 cannot be read": {
            name: bundle_of([entry], [0]) for name, entry in unreadable.items()
        },
        "names a thing twice": {"an-entry-with-a-name-twice": bundle_of([twice], [0])},
        "are left out": {
            "an-entry-of-everything-removed": everything,
            "an-entry-of-a-span-removed": bundle_of(whole, [0, 1, 2, 4], question={"end": 5}),
        },
        "no key that you named": {
            "a-checkpoint-of-another-log": bundle_of(whole, rows, signers=OTHER),
        },
        "did not sign its checkpoint": {
            "another-log-under-this-name": bundle_of(whole, rows, signers=[*FORGER, *WITNESSES]),
        },
        "is not in the tree": {
            "a-tree-that-was-not-signed": unsigned,
            "a-tree-smaller-than-it-says": _as_if(Checkpoint(ORIGIN, 14, leaf_hash(whole[0]))),
            "a-tree-larger-than-it-says": {
                **_as_if(Checkpoint(ORIGIN, 1, root_of([leaf_hash(entry) for entry in whole]))),
                "entries": bundle_of(whole, [0])["entries"],
                "nodes": bundle_of(whole, [0])["nodes"],
            },
        },
        "the checkpoint is not canonical base64": {
            "a-root-that-is-none": {
                **bundle_of(whole[:1], [0]),
                "checkpoint": _signed_once(f"{ORIGIN}\n1\nAAAA=\n"),
            },
            "a-root-too-short": {
                **bundle_of(whole[:1], [0]),
                "checkpoint": _signed_once(f"{ORIGIN}\n1\nAAAA\n"),
            },
        },
        "WRONG        witnesses that you named": {
            "the-log-as-its-own-witness": bundle_of(
                whole, rows, signers=[*LOG, ITS_OWN, WITNESSES[0], WITNESSES[2]]
            ),
        },
    }


def _as_if(head: Checkpoint) -> Document:
    """The first entry, under a tree head that no tree has."""
    note = sign_note(head.text, [*LOG, *WITNESSES], SIGNED_AT)
    return {**bundle_of(story()[:1], [0]), "checkpoint": note.encode().decode()}


def _signed_once(text: str) -> str:
    """A note of the log that is no checkpoint."""
    key_id = parse_note(good()["checkpoint"].encode()).signatures[0].key_id
    line = Signature(ORIGIN, key_id, LOG[0].sign(text.encode()))
    return Note(text, (line,)).encode().decode()


def _harmless(kept: Document) -> dict[str, Document]:
    """What does not make a good bundle worse."""
    stray = parse_note(kept["checkpoint"].encode())
    extra = sign_note(stray.text, [STRANGER], SIGNED_AT).signatures
    note = Note(stray.text, (*stray.signatures, *extra)).encode().decode()
    repeated = Note(stray.text, stray.signatures * 2).encode().decode()
    keys = {"log": kept["keys"]["log"] * 3, "witnesses": [LOG[0].vkey, "nonsense"]}
    whole = story()
    return {
        "good": kept,
        "a-stray-cosignature": {**kept, "checkpoint": note},
        "every-signature-twice": {**kept, "checkpoint": repeated},
        "keys-repeated-and-nonsense": {**kept, "keys": keys},
        "no-keys": {**kept, "keys": {"log": [], "witnesses": []}},
        "everything": bundle_of(whole, range(14), question={}),
        "a-span": bundle_of(whole, range(6), question={"end": 6}),
        "the-only-entry": bundle_of(whole[:1], [0]),
    }


def main(arguments: list[str]) -> int:
    """Write the bundles."""
    if arguments == ["--keep"]:
        KEPT.write_bytes(json.dumps(good(), ensure_ascii=False, indent=1).encode() + b"\n")
        return 0
    directory = Path(arguments[0])
    directory.mkdir(parents=True, exist_ok=True)
    for name, case in cases(json.loads(KEPT.read_bytes())).items():
        (directory / f"{name}.json").write_bytes(case.data)
    (directory / "log.vkey").write_text("".join(f"{signer.vkey}\n" for signer in LOG))
    for number, witness in enumerate(WITNESSES, 1):
        (directory / f"witness-{number}.vkey").write_text(f"{witness.vkey}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
