"""The chain of evidence across a log: what entries require of earlier ones, and their files.

Claims and files live in a temporary SQLite database, which spills to disk: memory stays bounded
whatever the size of the log.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from operator import itemgetter
from pathlib import Path

from domicile.ledger.approvals import ApprovalsRead
from domicile.ledger.entries import FileDigest
from domicile.ledger.files import hash_file
from domicile.ledger.proposals import Approval, NeedsApproval
from domicile.ledger.texts import TextPart, TextsRead

__all__ = ["Chain"]

_MOST_MET = 65_536
Needs = Mapping[str, Mapping[bytes, tuple[str, Sequence[int]]]]
"""By kind and claim id: the claim as it is shown, and the entries that require it."""


class Chain:
    """Fed with one span after the other, in the order of the log.

    records: where the files are that entries name; None where nobody has them, and they are not
    checked. origin: the log's name.
    """

    def __init__(self, records: Path | None, origin: str = "") -> None:
        self.files_checked = self.files_unchecked = 0
        self._records = records
        self._met: set[bytes] = set()  # a grant is required again and again
        self._told: set[bytes] = set()
        self._texts = TextsRead()
        self._approvals = ApprovalsRead(origin)
        self._replaced: list[tuple[int, str]] = []
        self._database = sqlite3.connect("", isolation_level=None)
        self._database.execute("PRAGMA journal_mode = OFF")
        self._database.execute("CREATE TABLE claim (id BLOB PRIMARY KEY) WITHOUT ROWID")
        self._database.execute(
            "CREATE TABLE file (path TEXT PRIMARY KEY, sha256 TEXT, size INTEGER) WITHOUT ROWID"
        )

    def close(self) -> None:
        """Drop the database."""
        self._database.close()

    def meets(self, needs: Needs) -> bool:
        """Whether earlier entries established all that is required, by kind and claim id."""
        return all(self._is_established(known) for claims in needs.values() for known in claims)

    def unmet(self, needs: Needs) -> Iterator[tuple[int, str]]:
        """What is wrong with entries that require what nobody established before, each with its
        index."""
        for kind, claims in needs.items():
            for known, (claim, indices) in claims.items():
                if not self._is_established(known):
                    why = f"{kind} requires {claim!r}, which no earlier entry established"
                    yield from ((index, f"entry {index}: {why}") for index in indices)

    def unnamed(self, names: Sequence[tuple[int, bytes, str]]) -> Iterator[tuple[int, str]]:
        """What is wrong with entries that name texts which nobody put in force before. It is told
        where a text is named first, not of each entry that goes on to name it."""
        for index, known, claim in names:
            if known not in self._told and not self._is_established(known):
                self._told.add(known)
                yield index, f"entry {index}: it names {claim}, which no earlier entry put in force"

    def misread(self, texts: Sequence[tuple[int, TextPart]]) -> Iterator[tuple[int, str]]:
        """What is wrong with parts of texts, each with its index."""
        for index, part in texts:
            yield from ((index, f"entry {index}: {why}") for why in self._texts.take(part))

    def unapproved(
        self,
        texts: Sequence[tuple[int, TextPart]],
        approvals: Sequence[tuple[int, str, Approval | NeedsApproval]],
        ruled: Sequence[tuple[int, str, str]],
    ) -> Iterator[tuple[int, str]]:
        """What is wrong with the custodians' approvals of charters and operations, with operations
        that need one, and with entries under a charter that does; each with its index."""
        found = self._approvals
        events: list[tuple[int, Callable[[], Iterable[str]]]] = []
        events += ((index, partial(found.take_text, part)) for index, part in texts)
        events += ((index, partial(found.judge, time, body)) for index, time, body in approvals)
        events += ((index, partial(self._rule, index, *under)) for index, *under in ruled)
        for index, event in sorted(events, key=itemgetter(0)):
            yield from ((index, f"entry {index}: {why}") for why in event())

    def replaced(self) -> list[tuple[int, str]]:
        """What stood, since this was asked last, under a charter that another had replaced: a
        command may have been at work meanwhile."""
        told, self._replaced = self._replaced, []
        return told

    def _rule(self, index: int, kind: str, charter: str) -> Iterator[str]:
        if self._approvals.is_replaced(charter):
            told = f"it is a {kind} under charter {charter}, which another had replaced"
            self._replaced.append((index, f"entry {index}: {told}"))
        if why := self._approvals.unruled(kind, charter):
            yield why

    def _is_established(self, known: bytes) -> bool:
        if known in self._met:
            return True
        query = "SELECT 1 FROM claim WHERE id = ?"
        found = self._database.execute(query, (known,)).fetchone() is not None
        if found:
            if len(self._met) == _MOST_MET:
                self._met.clear()
            self._met.add(known)
        return found

    def establish(self, claims: set[bytes]) -> None:
        """Entries after these ones may rest on these claims."""
        if claims:
            self._database.execute("BEGIN")
            rows = ((claim,) for claim in sorted(claims))
            self._database.executemany("INSERT OR IGNORE INTO claim VALUES (?)", rows)
            self._database.execute("COMMIT")

    def changed(self, files: Sequence[tuple[int, FileDigest]]) -> Iterator[tuple[int, str]]:
        """What is wrong with files that entries name, each with its entry's index."""
        if self._records is None:
            self.files_unchecked += len(files)
            return
        for index, file in files:
            self.files_checked += 1
            actual = self._hash(self._records, file.path)
            if actual is None:
                yield index, f"entry {index}: its file {file.path} cannot be read"
            elif actual != (file.sha256, file.size_bytes):
                yield index, f"entry {index}: its file {file.path} was changed"

    def _hash(self, records: Path, path: str) -> tuple[str, int] | None:
        row = self._database.execute("SELECT sha256, size FROM file WHERE path = ?", (path,))
        known = row.fetchone()
        if known is None:
            try:
                known = hash_file(records / path)
            except (OSError, ValueError):
                known = ("", -1)
            self._database.execute("INSERT INTO file VALUES (?, ?, ?)", (path, *known))
        return None if known[1] < 0 else (str(known[0]), int(known[1]))
