"""Templates of object keys, from sampled keys: which part of a key names the person. Pure.

Keys are cut at slashes. A folder that few names share is literal; what varies is a placeholder.
The person's place is the one whose texts are persons' keys, and where a database column names the
same objects, the one that agrees with the row's person: dense numbers are everybody's key.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

__all__ = ["KeyColumn", "KeyDataset", "person_tokens", "propose_datasets"]

_MOST_LITERALS = 20  # names of one folder; more are data
_DEEPEST = 5
_FEWEST = 3
_LEAST_SHARE = 0.9
_ID = re.compile(r"\d+|[0-9a-fA-F]{8,}(?:-[0-9a-fA-F]{4,})*|[0-9a-fA-F]{2}")
_PIECES = re.compile(
    r"(?P<before>(?:[A-Za-z]+[-_=])?)(?P<token>.+?)(?P<after>(?:\.[A-Za-z0-9]{1,8})?)"
)
_LITERAL = re.compile(r"[A-Za-z{][A-Za-z0-9_.{} -]{0,60}")
_YEAR = re.compile(r"(?:19[89]\d|20[0-4]\d)")


@dataclass(frozen=True, slots=True)
class KeyColumn:
    """A column that holds keys: sampled keys with their row's person ("" for nobody's)."""

    column: str
    pairs: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class KeyDataset:
    """A dataset of objects. template or key_column is given, or neither: then these keys name
    nobody. folder is what all keys begin with."""

    folder: str
    template: str | None
    key_column: str | None
    keys: int
    why: str


@dataclass(frozen=True, slots=True)
class _Place:
    """A segment (from 0, behind the folder) whose token may be the person's key."""

    segment: int
    before: str
    after: str


def person_tokens(keys: Iterable[str]) -> set[str]:
    """Every text in these keys that could be a person's key."""
    found: set[str] = set()
    for key in keys:
        for segment in key.split("/")[: _DEEPEST + 1]:
            found.add(segment)
            if pieces := _PIECES.fullmatch(segment):
                found.add(pieces["token"])
    return found


def propose_datasets(
    keys: Collection[str], persons: Collection[str], columns: Sequence[KeyColumn]
) -> list[KeyDataset]:
    """The datasets of a store, by folder. ``persons``: those of `person_tokens` that are persons'
    keys."""
    folders = _folders(sorted(set(keys)), persons)
    found = [
        _judge(folder, rests, persons, [_within(column, folder, folders) for column in columns])
        for folder, rests in sorted(folders.items())
    ]
    return list(_joined(found))


def _within(column: KeyColumn, folder: str, folders: Collection[str]) -> KeyColumn:
    """The column's keys of this folder and none deeper, without the folder; nobody's left out."""
    deeper = [other for other in folders if len(other) > len(folder) and other.startswith(folder)]
    return KeyColumn(
        column.column,
        tuple(
            (key[len(folder) :], who)
            for key, who in column.pairs
            if who and key.startswith(folder) and not any(map(key.startswith, deeper))
        ),
    )


def _joined(found: Iterable[KeyDataset]) -> Iterator[KeyDataset]:
    """Each column once, whatever the folders that its keys are in."""
    seen: set[str] = set()
    for dataset in found:
        if dataset.key_column is None or dataset.key_column not in seen:
            seen.add(dataset.key_column or "")
            yield dataset


def _folders(keys: Sequence[str], persons: Collection[str]) -> Mapping[str, list[str]]:
    """Keys behind their literal folders. A charter is public: what could be somebody's name or
    key is no folder of it."""
    done: dict[str, list[str]] = {}
    waiting: list[tuple[str, list[str], int]] = [("", list(keys), 0)]
    while waiting:
        folder, rests, depth = waiting.pop()
        heads = Counter(rest.partition("/")[0] for rest in rests if "/" in rest)
        literal = {n for n in heads if _LITERAL.fullmatch(n) and not _ID.fullmatch(n)}
        told = sum(name in persons for name in heads)
        if depth >= _DEEPEST or len(heads) > _MOST_LITERALS or told * 2 >= len(heads) > 0:
            literal = set()
        literal -= set(persons)
        deeper: dict[str, list[str]] = defaultdict(list)
        for rest in rests:
            head, slash, tail = rest.partition("/")
            if slash and tail and head in literal:
                deeper[head].append(tail)
            else:
                done.setdefault(folder, []).append(rest)
        waiting += [(f"{folder}{head}/", tails, depth + 1) for head, tails in deeper.items()]
    return done


def _judge(
    folder: str, rests: Sequence[str], persons: Collection[str], columns: Sequence[KeyColumn]
) -> KeyDataset:
    for column in columns:
        pairs = column.pairs
        if len(pairs) < _FEWEST:
            continue
        for place in _places([rest for rest, _ in pairs]):
            hits = sum(_token(rest, place) == who for rest, who in pairs)
            if hits >= _LEAST_SHARE * len(pairs):
                why = f"the person of {column.column}'s row in {hits} of {len(pairs)} sampled keys"
                return _templated(folder, rests, place, why)
        why = f"their keys name nobody; {len(pairs)} sampled rows of {column.column} name such keys"
        return KeyDataset(folder, None, column.column, len(rests), why)
    for place in _places(rests):
        tokens = [_token(rest, place) for rest in rests]
        if all(_YEAR.fullmatch(token or "") for token in tokens):
            continue
        hits = sum(token in persons for token in tokens)
        if len(rests) >= _FEWEST and hits >= _LEAST_SHARE * len(rests):
            why = f"a person's key in {hits} of {len(rests)} sampled keys"
            return _templated(folder, rests, place, why)
    return KeyDataset(folder, None, None, len(rests), "no part of these keys is a person's key")


def _places(rests: Sequence[str]) -> Iterator[_Place]:
    """Where a person could stand, from the left."""
    deepest = min(rest.count("/") for rest in rests)
    for segment in range(min(deepest, _DEEPEST) + 1):
        yield _Place(segment, "", "")
        forms = set()
        for rest in rests:
            pieces = _PIECES.fullmatch(rest.split("/")[segment])
            forms.add((pieces["before"], pieces["after"]) if pieces else ("", ""))
        befores, afters = {before for before, _ in forms}, {after for _, after in forms}
        before = befores.pop() if len(befores) == 1 else ""
        after = afters.pop() if len(afters) == 1 else "" if "" in afters else "."
        for place in dict.fromkeys((_Place(segment, before, ""), _Place(segment, before, after))):
            if place.before or place.after:
                yield place


def _token(rest: str, place: _Place) -> str | None:
    parts = rest.split("/")
    if len(parts) <= place.segment:
        return None
    text = parts[place.segment]
    if not text.startswith(place.before):
        return None
    text = text[len(place.before) :]
    if place.after == ".":
        return text.partition(".")[0] if "." in text else None
    return text.removesuffix(place.after) if text.endswith(place.after) else None


def _templated(folder: str, rests: Sequence[str], place: _Place, why: str) -> KeyDataset:
    tails = {rest.count("/") - place.segment for rest in rests}
    parts = [f"{{part{at + 1}}}" for at in range(place.segment)]
    after = ".{ext}" if place.after == "." else _escaped(place.after)
    parts.append(f"{_escaped(place.before)}{{person}}{after}")
    if max(tails) > 0:
        parts.append("{file}" if tails == {1} else "{file...}")
    return KeyDataset(folder, _escaped(folder) + "/".join(parts), None, len(rests), why)


def _escaped(text: str) -> str:
    return text.replace("{", "{{").replace("}", "}}")
