"""Physical backups and write-ahead log, known by the names of their files. Pure.

What is in them only a server can read. Names are those of PostgreSQL (``backup_manifest``,
``backup_label``, ``pg_basebackup``'s tars, segments of the log) and of pgBackRest, WAL-G and
Barman.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["BackupFacts", "backup_roots", "facts_of_label", "facts_of_manifest", "known_by_name"]

_PACKED = r"(?:\.(?:gz|bz2|lz4|zst|xz|lzo|lzma|br|snappy))?"
_SEGMENT = re.compile(
    r"(?:[0-9A-F]{24}(?:\.partial|\.[0-9A-F]{8}\.backup)?|[0-9A-F]{8}\.history)"
    r"(?:-[0-9a-f]{40})?" + _PACKED
)
_SETS = r"[0-9]{8}-[0-9]{6}F(?:_[^/]+)?/"
_TOOLS = (
    ("pgBackRest", re.compile(rf"(?:^|/)backup/[^/]+/(?:{_SETS}|backup\.(?:info|history))")),
    (
        "pgBackRest",
        re.compile(r"(?:^|/)archive/[^/]+/(?:archive\.info|[0-9.]+-[0-9]+/[0-9A-F]{16}/)"),
    ),
    ("WAL-G", re.compile(r"(?:^|/)basebackups_00[0-9]/")),
    ("WAL-G", re.compile(r"(?:^|/)wal_00[0-9]/")),
    (
        "Barman",
        re.compile(r"(?:^|/)base/[0-9]{8}T[0-9]{6}/(?:backup\.info|data[./]|[0-9]+(?:\.tar|/))"),
    ),
    ("Barman", re.compile(r"(?:^|/)wals/(?:xlog\.db|[0-9A-F]{16}/)")),
)
_TABLESPACE = re.compile(r"(?:^|/)PG_[0-9.]+_[0-9]{9}/[0-9]+/")
_TAR = re.compile(r"(?:base|pg_wal|[0-9]+)\.tar" + _PACKED)
_TOP = frozenset({"backup_label", "backup_manifest", "tablespace_map", "PG_VERSION"})
_INSIDE = re.compile(r"(?:^|/)(?:base/[0-9]+|global|pg_wal|pg_xact|pg_multixact|pg_tblspc)/")
_STEP = (
    "restore it into a server of its own and name that as a site of role backup, attest it, or let"
    " its retention end"
)
_LSN = r"[0-9A-F]{1,8}/[0-9A-F]{1,8}"
_LABEL_START = re.compile(rf"^START WAL LOCATION: ({_LSN}) ", re.MULTILINE)
_LABEL_TIME = re.compile(
    r"^START TIME: ([0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2} [A-Z]{1,5})$",
    re.MULTILINE,
)
_SPACE_PATH = re.compile(r"pg_tblspc/([0-9]+)/")


def known_by_name(key: str) -> str:
    """Why an object of this name is not examined: it is a part of a tool's backup, or of the
    write-ahead log; nothing where its name does not say so."""
    for tool, pattern in _TOOLS:
        if pattern.search(key):
            return (
                f"it is called as a part of a backup by {tool}: only a server can read it; {_STEP}"
            )
    if _SEGMENT.fullmatch(key.rpartition("/")[2]):
        return (
            "it is called as a segment of a write-ahead log, which holds rows as they were written:"
            " only a server can read it; let its retention end, or attest it"
        )
    if _TABLESPACE.search(key):
        return f"it is called as a file of a base backup's tablespace; {_STEP}"
    return ""


def backup_roots(key: str) -> Iterator[str]:
    """Folders (with their ``/``) of which a key may be a file, if a base backup lies there."""
    folder, slash, last = key.rpartition("/")
    if last in _TOP or _TAR.fullmatch(last):
        yield folder + slash
    for found in _INSIDE.finditer(key):
        start = found.start()
        yield key[: start + 1] if key[start] == "/" else ""


@dataclass(frozen=True, slots=True)
class BackupFacts:
    """What is known of a base backup; empty where nothing tells. tablespaces: beside the default
    one."""

    system: str = ""
    start: str = ""
    time: str = ""
    tablespaces: int | None = None

    def beside(self, other: BackupFacts) -> BackupFacts:
        """These facts, and the other's where these are missing."""
        spaces = other.tablespaces if self.tablespaces is None else self.tablespaces
        return BackupFacts(
            self.system or other.system, self.start or other.start, self.time or other.time, spaces
        )

    @property
    def reason(self) -> str:
        """Why nothing of it is examined, and what to do."""
        facts = [
            f"of system {self.system}" if self.system else "",
            f"from {self.start} on" if self.start else "",
            f"begun {self.time}" if self.time else "",
            f"tablespaces: {self.tablespaces}" if self.tablespaces is not None else "",
        ]
        told = ", ".join(fact for fact in facts if fact)
        told = f" ({told})" if told else ""
        return f"it is a file of a base backup{told}: only a server can read it; {_STEP}"

    def holds(self, root: str, key: str, *, is_plain: bool) -> bool:
        """Whether a key under its root is a part of it: any of a plain one, of tars the tars."""
        last = key.removeprefix(root)
        return key.startswith(root) and (is_plain or last in _TOP or bool(_TAR.fullmatch(last)))


def facts_of_label(text: str) -> BackupFacts:
    """What a ``backup_label`` says."""
    start, time = _LABEL_START.search(text), _LABEL_TIME.search(text)
    return BackupFacts("", start[1] if start else "", time[1] if time else "")


def facts_of_manifest(data: bytes) -> BackupFacts:
    """What a ``backup_manifest`` says. The system's identifier is in it from PostgreSQL 17 on."""
    try:
        found = json.loads(data)
        system = found.get("System-Identifier", "")
        ranges = found.get("WAL-Ranges") or [{}]
        start = ranges[0].get("Start-LSN", "")
        paths = (str(file.get("Path", "")) for file in found.get("Files", []))
        spaces = {space[1] for path in paths if (space := _SPACE_PATH.match(path))}
    except (ValueError, AttributeError, TypeError, LookupError, RecursionError):
        return BackupFacts()
    is_lsn = isinstance(start, str) and re.fullmatch(_LSN, start)
    number = str(system) if str(system).isdecimal() and len(str(system)) < 21 else ""
    return BackupFacts(number, start if is_lsn else "", "", len(spaces))
