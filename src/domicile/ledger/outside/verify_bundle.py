#!/usr/bin/env python3
"""Check a bundle of ledger entries, or a copy of a whole ledger, trusting nobody who made it::

    python verify_bundle.py BUNDLE --key KEY [--witness KEY --quorum N] [--files DIR] [--seen NOTE]
    python verify_bundle.py --log DIR --key KEY [...]

This file needs Python 3.9 and the package `cryptography`, nothing of Domicile and no connection. It
follows C2SP signed-note, tlog-checkpoint, tlog-cosignature and tlog-tiles, and RFC 6962. A KEY is a
line ``name+hexid+base64``, or a file of such lines; not from who gave you the bundle. N witnesses
must have signed. DIR holds the files that entries name, or (--log) a copy of the log; a NOTE is a
checkpoint that you kept. Exit codes: 0 it holds under your keys, 1 it does not, 2 nobody can say.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import re
from collections.abc import Iterable, Iterator
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

# The claims that entries require of earlier ones, and those that they establish. {field}: its text;
# of {a,b} or a list each text makes a claim, of {files.sha256} each file's.
_VERIFIED = "verified:{run}/{shard}/{site}/{verified_sha256}"
_BEGUN = "begun:{run}/{shard}/{site}/{verified_sha256}"
_SHRED = "shred-%s:{boundary}/{request}"
CLAIMS: dict[str, tuple[list[str], list[str]]] = {
    "charter.in-force 1": ([], ["charter:{sha256}"]),  # a text in parts: once they are all there
    "custody.charter-approved 1": (["charter:{sha256}"], []),
    "custody.shred-condemned 1": ([_SHRED % "requested"], [_SHRED % "condemned"]),
    "custody.shred-done 1": ([_SHRED % "condemned"], []),
    "custody.shred-requested 1": ([], [_SHRED % "requested"]),
    "erase.shard-begun 1": ([_VERIFIED], [_BEGUN]),
    "erase.shard-erased 1": ([_VERIFIED, _BEGUN], []),
    "erase.shard-refused 1": ([_BEGUN], []),
    "move.shard-verified 1": ([], ["verified:{run}/{shard}/{sites,partly}/{files.sha256}"]),
    **{f"access.{act} 1": (["policy-approved:{policy}"], []) for act in ("denied", "opened")},
    "policy.approved 1": (["policy:{sha256}"], ["policy-approved:{sha256}"]),
    "policy.written 1": ([], ["policy:{sha256}"]),
}
_OTHERS = """access: agreed closed credential-ended credential-issued credential-purpose-set
grant-changed refused request-answered request-made rules-set staff-changed; clock: went-back;
custody: boundary-key-condemned boundary-key-destroyed boundary-key-made boundary-key-pending
boundary-keys-rewrapped keys-opened operation-approved persons-readmitted root-recovered root-split
shred-cancelled survivors-rewrapping; erase: absence-checked certified tables-rewritten; move:
home-opened home-opening planned schema-made sequences-set shard-copied; people: frozen; scan:
attested drift finished medium-stated rechecked started"""
_SPLIT = (part.split(":") for part in _OTHERS.split(";"))
_FIRST = (f"{part.strip()}.{what} 1" for part, whats in _SPLIT for what in whats.split())
NO_CLAIMS = ["access.rules-set 2", *_FIRST]
FORMAT = "domicile ledger bundle 1"
Unusable = OSError  # the question cannot be answered: a key is mistyped, a file cannot be read
KINDS = {1: "Ed25519", 4: "Ed25519 (cosignature)", 6: "ML-DSA-44"}


class Bad(Exception):
    """What was given is not what it says it is."""


class Say:
    """Prints what was found, a line each, so that nothing in it can disguise itself."""

    wrong = 0

    def __call__(self, mark: str, text: str) -> None:  # noqa: D102 - the class says it
        self.wrong += mark == "WRONG"
        print(f"{mark:<12} {text.encode('unicode_escape').decode()}")


def decode64(text: str) -> bytes:
    """The bytes that canonical base64 spells; nothing where this is none."""
    try:
        data = base64.b64decode(text)
    except ValueError:
        return b""
    return data if base64.b64encode(data).decode() == text else b""


def strict_json(data: bytes) -> Any:
    """JSON in which no object names a thing twice, and no text holds half a character."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(dict(pairs)) != len(pairs):
            raise Bad("its JSON names a thing twice")
        return dict(pairs)

    try:
        value = json.loads(data.decode(), object_pairs_hook=unique)
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, RecursionError):
        raise Bad("it is not JSON") from None
    return value


class Key(NamedTuple):
    """A public key under a name, for one kind of signature; id begins its signature lines."""

    name: str
    kind: int
    public: bytes
    id: bytes

    @classmethod
    def parse(cls, line: str, kinds: Iterable[int]) -> Key:
        """Read ``name+hexid+base64``."""
        name, hex_id, key = ([*line.split("+", 2), "", ""])[:3]  # base64 has plus signs of its own
        data = decode64(key) or b"\0"
        if data[0] not in kinds or len(data) != (1313 if data[0] == 6 else 33):
            raise Unusable(f"no key of the kind that is wanted here: {line[:60]}")
        key_id = hashlib.sha256(name.encode() + b"\n" + data).digest()[:4]
        if hex_id != key_id.hex() or not 0 < len(name.encode()) < 256:
            raise Unusable(f"the key of {name} does not fit its id: mistyped, or forged")
        return cls(name, data[0], data[1:], key_id)

    def signed(self, note: Note, signature: bytes) -> bool | None:
        """Whether this key made the signature over the checkpoint; None where we cannot tell."""
        at = 0 if self.kind == 1 else 8  # a cosignature begins with its time
        message, stamp, signature = note.text.encode(), signature[:at], signature[at:]
        seconds = int.from_bytes(stamp, "big")
        if self.kind == 4:
            message = b"cosignature/v1\ntime %d\n" % seconds + message
        if self.kind == 6:
            name, origin = (bytes([len(n)]) + n for n in (self.name.encode(), note.origin.encode()))
            message = b"subtree/v1\n\0" + name + stamp + origin + bytes(8)
            message += note.size.to_bytes(8, "big") + note.root
        try:
            if self.kind == 6:
                from cryptography.hazmat.primitives.asymmetric import mldsa

                mldsa.MLDSA44PublicKey.from_public_bytes(self.public).verify(signature, message)
            else:
                Ed25519PublicKey.from_public_bytes(self.public).verify(signature, message)
        except (ImportError, UnsupportedAlgorithm):
            return None  # an older `cryptography`
        except (InvalidSignature, ValueError):
            return False
        return self.kind == 1 or 0 < seconds < 2**63


class Note(NamedTuple):
    """A checkpoint and its signature lines (name, key id, signature), none of them checked yet."""

    text: str
    origin: str
    size: int
    root: bytes
    lines: list[tuple[str, bytes, bytes]]

    @classmethod
    def parse(cls, data: bytes) -> Note:
        """Take a signed checkpoint apart."""
        text, _, rest = data.decode().rpartition("\n\n")
        head = re.fullmatch("([^\n]+)\n(0|[1-9][0-9]{0,17})\n([^\n]+)(\n[^\n]+)*", text)
        rows = [re.fullmatch("\u2014 ([^ +]+) (.+)", row) for row in rest.split("\n")[:-1]]
        control = re.search("[\0-\x09\x0b-\x1f]", text + rest)
        if not head or not rest.endswith("\n") or not all(rows) or len(rows) > 100 or control:
            raise Bad("the checkpoint is no signed note of a log")
        signed = [(row[1], decode64(row[2])) for row in rows if row]
        root, lines = decode64(head[3]), [(name, raw[:4], raw[4:]) for name, raw in signed]
        if len(root) != 32 or not all(raw for _, raw in signed):
            raise Bad("the checkpoint is not canonical base64")
        return cls(text + "\n", head[1], int(head[2]), root, lines)

    def signers(self, keys: list[Key]) -> dict[Key, bool | None]:
        """Who signed. Lines by other keys say nothing; a wrong line by one of these condemns."""
        found: dict[Key, bool | None] = {}
        for key, (name, key_id, signature) in product(keys, self.lines):
            if (key.name, key.id) == (name, key_id):
                found[key] = key.signed(self, signature)
                if found[key] is False:
                    raise Bad(f"the {KINDS[key.kind]} signature of {name} is wrong")
        return found

    def check(self, keys: list[Key], say: Say) -> None:
        """The log itself must have signed, with a key of each kind that was named of it."""
        if not (ours := [key for key in keys if key.name == self.origin]):
            raise Bad(f"the checkpoint is of {self.origin}: no key that you named is its")
        found = self.signers(ours)
        for kind in sorted({key.kind for key in ours}):
            if not (results := [result for key, result in found.items() if key.kind == kind]):
                raise Bad(f"{self.origin} did not sign its checkpoint with {KINDS[kind]}")
            mark, why = ("ok", "") if True in results else ("NOT CHECKED", ": not possible here")
            say(mark, f"signed by {self.origin} with {KINDS[kind]}{why}")
        if True not in found.values():
            raise Unusable("none of the log's signatures can be checked on this machine")

    def witnessed(self, witnesses: list[Key], keys: list[Key], quorum: int, say: Say) -> None:
        """At least ``quorum`` witnesses must have co-signed. Nobody counts twice, by two names or
        two keys, and the log is not its own witness."""
        for key in witnesses:
            if key.name == self.origin or key.public in {own.public for own in keys}:
                raise Unusable(f"the key of {key.name} is the log's: it is not its own witness")
        found = self.signers(witnesses)
        counted: dict[bytes, str] = {}
        for key, result in found.items():
            if result is None:
                say("NOT CHECKED", f"the signature of {key.name} with {KINDS[key.kind]}")
            elif all(other in found for other in witnesses if other.name == key.name):
                counted.setdefault(key.public, key.name)
        names = sorted(set(counted.values()))
        mark = "WRONG" if len(names) < quorum else "ok" if names else "note"
        say(mark, f"witnesses that you named and that co-signed: {', '.join(names) or 'none'}")


# The tree: RFC 6962 section 2.1, RFC 9162 section 2.1.3.2.
def tree_hash(mark: bytes, content: bytes) -> bytes:
    """The hash of an entry (mark 0), or of what two subtrees hash to (mark 1)."""
    return hashlib.sha256(mark + content).digest()


def root_by_path(entry: bytes, index: int, size: int, path: list[bytes]) -> bytes:
    """The root of the tree of ``size`` entries that a proof leads to, for 0 <= index < size."""
    if size == 1 or not path:
        return tree_hash(b"\0", entry) if size == 1 and not path else b""
    half = 1 << ((size - 1).bit_length() - 1)  # the largest power of two below size
    if index < half:
        return tree_hash(b"\1", root_by_path(entry, index, half, path[:-1]) + path[-1])
    return tree_hash(b"\1", path[-1] + root_by_path(entry, index - half, size - half, path[:-1]))


def root_of(row: list[bytes]) -> bytes:
    """The root over the hashes of entries."""
    while len(row) > 1:
        pairs = [row[i] + row[i + 1] for i in range(0, len(row) - 1, 2)]
        row = [tree_hash(b"\1", pair) for pair in pairs] + row[2 * len(pairs) :]
    return row[0] if row else hashlib.sha256(b"").digest()


# The evidence: what entries say, what each rests on, and the files that they name.
def texts(body: dict[str, Any], fields: str) -> list[str]:
    """The texts in a body's fields, or in a member of each item of them."""
    found: list[str] = []
    for field in fields.split(","):
        name, _, member = field.partition(".")
        items = body[name] if isinstance(body[name], list) else [body[name]]
        found += [item[member] if member else item for item in items]
    return found


def claims(templates: list[str], body: dict[str, Any]) -> set[str]:
    """The claims that a body makes by the templates of its kind."""
    split = (re.split(r"\{(.*?)\}", template) for template in templates)  # text, field, text, ...
    chosen = ([texts(body, p) if n % 2 else [p] for n, p in enumerate(parts)] for parts in split)
    return {"".join(words) for choices in chosen for words in product(*choices)}


def weigh(entries: Iterable[tuple[int, bytes]], say: Say) -> tuple[list[bytes], dict[Any, int]]:
    """Entry after entry, in the order of the log, each resting on those before it. Returns their
    hashes, and the files (path, SHA-256) that they name, with the index of one that does."""
    hashes, met, established, unknown = [], 0, set[str](), set[str]()
    files, parts = dict[Any, int](), dict[str, str]()  # parts: of texts in force, so far
    for index, data in entries:
        hashes.append(tree_hash(b"\0", data))
        try:
            entry = strict_json(data)
            kind, body = f"{entry['kind']} {entry['version']}", entry["body"]
            requires, establishes = (claims(part, body) for part in CLAIMS.get(kind, ([], [])))
            in_force = {f"{r}:{entry[r]}" for r in ["charter"] + ["policy"] * ("policy" in entry)}
            requires |= in_force - establishes
            if establishes and "parts" in body:
                name = body["sha256"]
                parts[name] = (parts.get(name, "") if body["part"] else "") + body["text"]
                if hashlib.sha256(parts[name].encode()).hexdigest() != name:
                    establishes = set()
            files.update({(f["path"], f["sha256"]): index for f in body.get("files", [])})
        except (Bad, AttributeError, KeyError, TypeError) as error:
            say("WRONG", f"entry {index} cannot be read: {error}")
            continue
        for claim in sorted(requires - established):
            say("WRONG", f"entry {index} ({kind}) rests on what no earlier one says: {claim}")
        met += len(requires & established)
        established |= establishes
        unknown |= {kind} - CLAIMS.keys() - set(NO_CLAIMS)
    say("ok", f"{met} claims that entries rest on, such as verifications, are in earlier entries")
    for kind in sorted(unknown):
        say("NOT CHECKED", f"what entries of kind {kind} rest on: it is unknown here")
    return hashes, files


def check_files(files: dict[Any, int], directory: Path | None, say: Say) -> None:
    """Hash those of the files that lie in the directory."""
    right = missing = 0
    for (path, sha256), index in files.items():
        file = Path(directory or "", path).resolve()
        here = directory is not None and directory.resolve() in file.parents and file.is_file()
        same = here and hashlib.sha256(file.read_bytes()).hexdigest() == sha256
        right, missing = right + same, missing + (not here)
        if here and not same:
            say("WRONG", f"the file {path} is not what entry {index} says")
    mark = "NOT CHECKED" if missing else "ok"
    say(mark, f"{right} files are what entries say of them, {missing} are not here (--files)")


# The bundle, the whole log, and the verdict.
def bundle_entries(document: Any, note: Note, say: Say) -> Iterator[tuple[int, bytes]]:
    """The entries of a bundle that are in the tree, at the index that they have."""
    question, nodes = document["question"], [decode64(text) for text in document["nodes"]]
    asked, last = [], -1
    for item in document["entries"]:
        index, entry, numbers = item["index"], item["entry"].encode(), item["path"]
        if type(index) is not int or not last < index < note.size or min(numbers, default=0) < 0:
            raise Bad("the entries are repeated, or not in the order of the log")
        path, last = [nodes[number] for number in numbers], index
        asked += [index] * (item["asked"] is True)
        if root_by_path(entry, index, note.size, path) == note.root:
            yield index, entry
        else:
            say("WRONG", f"entry {index} is not in the tree that was signed: changed, or moved")
    every = range(question.get("first", 0), min(question.get("end", note.size), note.size))
    complete = len(asked) == len(every) and asked == list(every)
    if not asked or (question.keys() <= {"first", "end"} and not complete):
        say("WRONG", "entries that were asked for are left out")


def log_entries(log: Path, size: int) -> Iterator[tuple[int, bytes]]:
    """The entries of a log: files of 256, the length before each."""
    for first in range(0, size, 256):
        width, number = min(256, size - first), f"{first // 256:09d}"
        name = re.sub("^(x000/)+", "", f"x{number[:3]}/x{number[3:6]}/{number[6:]}")
        part = log / f"tile/entries/{name}.p/{width}"
        data, at = (part if part.is_file() else log / "tile/entries" / name).read_bytes(), 0
        for index in range(first, first + width):
            end = at + 2 + int.from_bytes(data[at : at + 2], "big")
            yield index, data[at + 2 : end]
            at = end


def key_lines(text: str) -> list[str]:
    """A key as it was given, or those in the file that was given."""
    is_line = re.match(r"[^+]+\+[0-9a-f]{8}\+", text)
    return [text] if is_line else Path(text).read_text(encoding="utf-8").split()


def check(args: argparse.Namespace, say: Say) -> None:
    """Signatures and witnesses, the entries, checkpoints kept from earlier, the evidence."""
    if args.log:
        note = Note.parse((args.what / "checkpoint").read_bytes())
        entries, along = log_entries(args.what, note.size), key_lines(str(args.what / "log.vkey"))
    else:
        document = strict_json(args.what.read_bytes())
        if document["format"] != FORMAT:
            raise Bad(f"it is no {FORMAT}")
        say("note", f"asked: {json.dumps(document['question'])[:300]}")
        note = Note.parse(document["checkpoint"].encode())
        entries, along = bundle_entries(document, note, say), document["keys"]["log"]
    named = [line for text in args.key for line in key_lines(text)]
    keys = [Key.parse(line, (1, 6)) for line in named or along]
    witnesses = [Key.parse(line, (4, 6)) for text in args.witness for line in key_lines(text)]
    say("note", f"log {note.origin}: {note.size} entries, root {note.root.hex()}")
    kept = [note, *(Note.parse(Path(path).read_bytes()) for path in args.seen)]
    for one in kept:
        one.check(keys, say)
    note.witnessed(witnesses, keys, args.quorum, say)
    hashes, files = weigh(entries, say)
    whole = len(hashes) == note.size
    say("ok", f"{len(hashes)} entries are in the tree: {'all of it' if whole else 'some of it'}")
    for one in kept if whole else kept[1:]:
        root = root_of(hashes[: one.size]) if whole else note.root
        same = (one.origin, one.root) == (note.origin, root) and one.size <= note.size
        mark = "NOT CHECKED" if one.size < note.size and not whole else "ok" if same else "WRONG"
        say(mark, f"the first {one.size} entries are those that its checkpoint signs")
    check_files(files, args.files, say)
    if not named:
        raise Unusable("no --key: keys out of the bundle prove nothing about who signed")


def main(arguments: list[str] | None = None) -> int:
    """Check what the command line names, say what was found, and return the exit code."""
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("what", type=Path, metavar="BUNDLE")
    parser.add_argument("--log", action="store_true")
    parser.add_argument("--files", type=Path)
    parser.add_argument("--quorum", type=int, default=0)
    for name in ("--key", "--witness", "--seen"):
        parser.add_argument(name, action="append", default=[])
    say, args, unproven = Say(), parser.parse_args(arguments), ""
    try:
        check(args, say)
    except (Unusable, OSError) as error:
        unproven = str(error)
    except (Bad, LookupError, TypeError, ValueError, AttributeError) as error:
        say("WRONG", f"{error}" if isinstance(error, Bad) else f"it is malformed ({error!r})")
    if say.wrong:
        say("BROKEN", f"what is marked WRONG, {say.wrong} in all: keep everything as it is")
    elif unproven:
        say("UNPROVEN", unproven)
    else:
        say("HOLDS", "what is marked ok; not that entries are true or, without --log, all there")
    return 1 if say.wrong else 2 if unproven else 0


if __name__ == "__main__":
    raise SystemExit(main())
