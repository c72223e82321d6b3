"""Write down the fields of kinds of entry that are new: tests/ledger/kinds.json.

What is written down there stays: a ledger holds entries of it. Where the code says something else
of a kind, or has it no more, nothing is written: that needs a new version of the kind.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

import domicile.cli.kinds  # noqa: F401 - imports every part that registers entries
from domicile.ledger.entries import Envelope, registered_kinds

__all__ = ["FROZEN", "broken_kinds", "kinds_now"]

FROZEN = Path(__file__).parent.parent / "tests" / "ledger" / "kinds.json"

Kinds = Mapping[str, object]
"""``kind/version`` to the JSON Schema of its fields."""


def kinds_now() -> Kinds:
    """As the code has them, the envelope among them."""
    bodies = {
        f"{kind}/{version}": _fields(body)
        for kind, version, body in registered_kinds()
        if body.__module__.startswith("domicile.")
    }
    return {"envelope": _fields(Envelope), **bodies}


def broken_kinds(frozen: Kinds, now: Kinds) -> Iterator[str]:
    """What is no longer as it was frozen, a sentence each."""
    for name in sorted(frozen):
        if name not in now:
            yield f"{name} is gone: entries of it can be read no more"
        elif frozen[name] != now[name]:
            yield f"{name} was changed: make it a new version, and leave this one as it was"


def _fields(body: type[msgspec.Struct]) -> object:
    schema = msgspec.json.schema(body)
    # As it reads from a file: a default of () is written [].
    return json.loads(json.dumps(_plain(schema["$ref"], schema["$defs"])))


def _plain(schema: Any, parts: Mapping[str, Any]) -> Any:  # noqa: ANN401 - JSON
    """Without the names of classes and what their docstrings say."""
    if isinstance(schema, str) and schema.startswith("#/$defs/"):
        return _plain(parts[schema.removeprefix("#/$defs/")], parts)
    if isinstance(schema, list):
        return [_plain(part, parts) for part in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return _plain(schema["$ref"], parts)
    return {
        key: _plain(part, parts)
        for key, part in schema.items()
        if not (key in {"title", "description"} and isinstance(part, str))
    }


def main() -> int:
    """Add what is new."""
    now = kinds_now()
    frozen = json.loads(FROZEN.read_text(encoding="utf-8")) if FROZEN.exists() else {}
    broken = list(broken_kinds(frozen, now))
    for sentence in broken:
        print(sentence, file=sys.stderr)
    if not broken:
        text = json.dumps({**frozen, **now}, indent=1, sort_keys=True)
        FROZEN.write_text(f"{text}\n", encoding="utf-8")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
