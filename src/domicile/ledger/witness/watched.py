"""Which logs a witness watches: keys named by the operator, by themselves or in a TOML file."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from domicile.errors import UsageError
from domicile.ledger.keys import Verifier

__all__ = ["watched_logs"]

_MAX_ORIGIN_BYTES = 255  # what an ML-DSA-44 cosignature has room for


class _Log(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    keys: list[str]


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    logs: dict[str, _Log]


def watched_logs(vkeys: Sequence[str], path: Path | None) -> dict[str, tuple[Verifier, ...]]:
    """The trusted keys by origin: a key alone is its name's; the file names others.

    The file: ``[logs."example.com/ledger"]`` with ``keys = ["name+hexid+base64", ...]``. Raises
    UsageError where a key or the file is malformed, or nothing is to be watched.
    """
    logs: dict[str, dict[Verifier, None]] = {}
    for vkey in vkeys:
        verifier = Verifier.parse(vkey)
        logs.setdefault(verifier.name, {})[verifier] = None
    for origin, log in (_read(path) if path else {}).items():
        for vkey in log.keys:
            logs.setdefault(origin, {})[Verifier.parse(vkey)] = None
    for origin, keys in logs.items():
        fits = 0 < len(origin.encode()) <= _MAX_ORIGIN_BYTES and origin.isprintable()
        if not fits or not keys:
            raise _unfit(f"the log {origin[:80]!r} has no key, or a name that is none")
    if not logs:
        raise _unfit("there is no log to watch")
    return {origin: tuple(keys) for origin, keys in logs.items()}


def _read(path: Path) -> Mapping[str, _Log]:
    try:
        text = path.read_text(encoding="utf-8")
        return msgspec.convert(tomllib.loads(text), _File).logs
    except OSError as error:
        raise _unfit(f"{path} cannot be read ({error.strerror})") from error
    except (ValueError, msgspec.ValidationError) as error:
        raise _unfit(f"{path} is no list of logs: {str(error)[:200]}") from error


def _unfit(failed: str) -> UsageError:
    return UsageError(
        failed,
        expected='`--log KEY`, or a file with [logs."ORIGIN"] and keys = ["name+hexid+base64"]',
        next_step="ask the log for its origin and public keys (its log.vkey), on a way you trust",
    )
