"""The tables of docs/records.md, from the code: they stand between marks in a page written by
hand."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable

import msgspec
import pyarrow as pa

import domicile.cli.main  # noqa: F401 - imports every part that registers entries
from domicile.charter import Route
from domicile.erase.certificate import Certificate, Check, Erased, Verifier
from domicile.erase.held import HeldItems
from domicile.erase.objects import OBJECTS_ERASED
from domicile.erase.shred_certificate import ShredCertificate
from domicile.erase.steps import _ROWS_ERASED
from domicile.erase.unreadable import Unreadable
from domicile.inventory.schema import FOUND
from domicile.ledger import Body
from domicile.ledger.entries import registered_kinds
from domicile.move.cutting import KEYS
from domicile.move.object_proof import OBJECT_PROOF
from domicile.move.objects import COPIED
from domicile.move.plan import (
    Effect,
    HeldVersions,
    ObjectShard,
    Plan,
    RowShard,
    SequencePlan,
    TablePlan,
)
from domicile.move.row_proof import ROW_PROOF
from domicile.move.steps import _ROWS_COPIED
from domicile.people.register import SCHEMA as PEOPLE

__all__ = ["with_tables"]

_REGION = re.compile(r"(<!-- made from the code: (\w+) -->\n)(.*?)(<!-- end -->)", re.DOTALL)

_FILES: tuple[tuple[str, pa.Schema], ...] = (
    ("people.parquet", PEOPLE),
    ("found/SITE.parquet, found/SITE.uploads.parquet", FOUND),
    ("shards/SHARD.parquet, of rows by their keys", KEYS),
    ("copied/SHARD.parquet, of rows", _ROWS_COPIED),
    ("copied/SHARD.parquet, of objects", COPIED),
    ("verified/SHARD.NNN.parquet, of rows", ROW_PROOF),
    ("verified/SHARD.NNN.parquet, of objects", OBJECT_PROOF),
    ("erased/SHARD@SITE.NNN.parquet, of rows", _ROWS_ERASED),
    ("erased/SHARD@SITE.NNN.parquet, of objects", OBJECTS_ERASED),
)


_CERTIFICATES = (Certificate, Erased, HeldItems, Check, Verifier, ShredCertificate, Unreadable)


def with_tables(text: str) -> str:
    """The page with its marked regions as the code has them."""
    return _REGION.sub(lambda found: found[1] + _TABLES[found[2]]() + found[4], text)


def _entries() -> str:
    return "".join(_entry(*registered) for registered in registered_kinds())


def _entry(kind: str, version: int, body: type[Body]) -> str:
    names = ", ".join(f"`{name}`" for name in body.__struct_fields__)
    return f"- **`{kind}`** (version {version}). {_about(body)}\n  Fields: {names}.\n"


def _parquet() -> str:
    return "".join(f"- `{name}`: {_columns(schema)}.\n" for name, schema in _FILES)


def _columns(schema: pa.Schema) -> str:
    return ", ".join(
        f"`{field.name}` {field.type}{' or null' if field.nullable else ''}" for field in schema
    )


def _plan() -> str:
    return "".join(
        _struct(s)
        for s in (Plan, Route, RowShard, ObjectShard, TablePlan, Effect, SequencePlan, HeldVersions)
    )


def _certificate() -> str:
    return "".join(_struct(struct) for struct in _CERTIFICATES)


def _struct(struct: type[msgspec.Struct | Route]) -> str:
    names = ", ".join(f"`{name}`" for name in inspect.signature(struct).parameters)
    return f"- **{struct.__name__}**. {_about(struct)}\n  Fields: {names}.\n"


def _about(struct: type[msgspec.Struct | Route]) -> str:
    return " ".join((struct.__doc__ or "").replace("``", "`").split())


_TABLES: dict[str, Callable[[], str]] = {
    "entries": _entries,
    "parquet": _parquet,
    "plan": _plan,
    "certificate": _certificate,
}
