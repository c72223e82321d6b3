"""The catalogue's questions and the shape of their answers; `catalogue` makes sense of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import LiteralString

from psycopg import sql

from domicile.sites.postgres.model import TableName

__all__ = [
    "COLUMNS",
    "FOREIGN_KEYS",
    "INDEXES",
    "IN_RECOVERY",
    "LARGE_OBJECTS",
    "MATERIALISED",
    "OURS",
    "RELATIONS",
    "SEQUENCES",
    "TRIGGERS",
    "TYPES",
    "AmountRow",
    "AnswerRow",
    "AttributeRow",
    "IndexRow",
    "MaterialisedRow",
    "ReferenceRow",
    "RelationRow",
    "SequenceRow",
    "TriggerRow",
]

_BLOCK_BYTES = 8192
_GUESSED_ROW_BYTES = 100  # for a table that was never analysed

# User schemas; every query names the schema's row n.
OURS = sql.SQL("n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'domicile')")

RELATIONS: LiteralString = """
SELECT c.oid::bigint AS oid, n.nspname AS schema, c.relname AS name, c.relkind::text AS kind,
  c.relpersistence::text AS persistence, c.relpages AS pages, c.reltuples::float8 AS tuples,
  coalesce(s.size_bytes, 0)::bigint AS size_bytes, coalesce(s.heap_bytes, 0)::bigint AS heap_bytes,
  has_schema_privilege(n.oid, 'USAGE') AND CASE WHEN c.relkind = 'S'
    THEN has_sequence_privilege(c.oid, 'SELECT') ELSE has_table_privilege(c.oid, 'SELECT') END
    AS readable,
  c.relkind = 'r' AND EXISTS (SELECT FROM pg_inherits i WHERE i.inhparent = c.oid) AS has_heirs,
  p.foreign_part, p.detaching, p.keys_of_its_own,
  row_security_active(c.oid) AS row_security,
  EXISTS (SELECT FROM pg_rewrite w WHERE w.ev_class = c.oid AND w.ev_type <> '1') AS rules,
  (SELECT e.extname FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid
    WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid
    AND d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e' LIMIT 1) AS extension
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN LATERAL (SELECT sum(pg_table_size(l.relid)) AS size_bytes,
    sum(pg_relation_size(l.relid)) AS heap_bytes
    FROM (SELECT c.oid::regclass AS relid WHERE c.relkind IN ('r', 'm') UNION ALL
      SELECT relid FROM pg_partition_tree(c.oid) WHERE isleaf AND c.relkind = 'p') AS l) s ON true
  LEFT JOIN LATERAL (SELECT
    coalesce(bool_or(x.relkind = 'f'), false) AS foreign_part,
    EXISTS (SELECT FROM pg_inherits i WHERE to_jsonb(i) ->> 'inhdetachpending' = 'true'
      AND i.inhparent = ANY (array_agg(x.oid))) AS detaching,
    EXISTS (SELECT FROM pg_constraint k WHERE k.contype = 'f' AND k.conparentid = 0
      AND (k.conrelid = ANY (array_agg(x.oid) FILTER (WHERE x.oid <> c.oid))
        OR k.confrelid = ANY (array_agg(x.oid) FILTER (WHERE x.oid <> c.oid)))) AS keys_of_its_own
    FROM pg_partition_tree(CASE WHEN c.relkind = 'p' THEN c.oid END) AS t
    JOIN pg_class x ON x.oid = t.relid) p ON true
WHERE c.relkind IN ('r', 'p', 'f', 'm', 'S') AND NOT c.relispartition
  AND c.relpersistence <> 't' AND {ours}
ORDER BY 2, 3
"""

COLUMNS: LiteralString = """
SELECT a.attrelid::bigint AS relation, a.attnum::int AS number, a.attname AS name,
  a.atttypid::bigint AS type, a.atttypmod AS typmod,
  format_type(a.atttypid, a.atttypmod) AS type_text, a.attnotnull AS not_null,
  a.atthasdef AS has_default, a.attgenerated::text AS generated, a.attidentity::text AS identity
FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
  JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'p', 'f', 'm')
  AND NOT c.relispartition AND {ours}
ORDER BY a.attrelid, a.attnum
"""

TYPES: LiteralString = """
SELECT t.oid::bigint AS oid, n.nspname AS schema, t.typname AS name, t.typtype::text AS kind,
  t.typcategory::text AS category, t.typbasetype::bigint AS base, t.typtypmod AS typmod,
  t.typnotnull AS not_null,
  CASE WHEN t.typtype = 'd' THEN format_type(t.typbasetype, t.typtypmod) ELSE '' END AS base_text
FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
"""

INDEXES: LiteralString = """
SELECT i.indrelid::bigint AS relation, i.indisprimary AS is_primary, i.indisunique AS is_unique,
  i.indpred IS NULL AND i.indexprs IS NULL AND i.indisvalid AS plain,
  m.amname IN ('btree', 'hash') AS for_equality,
  (i.indkey::int2[])[0:i.indnkeyatts - 1]::int[] AS columns
FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid JOIN pg_class x ON x.oid = i.indexrelid
  JOIN pg_am m ON m.oid = x.relam JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND i.indislive AND {ours}
ORDER BY i.indrelid, x.relname
"""

# A constraint of a partition alone is told as its root's, whose columns have other numbers.
FOREIGN_KEYS: LiteralString = """
SELECT k.conname AS name, child.root::bigint AS child, child.columns,
  parent.root::bigint AS parent, parent.columns AS parent_columns,
  k.confdeltype::text AS on_delete, k.confupdtype::text AS on_update, k.condeferrable AS deferrable
FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid
  JOIN pg_namespace n ON n.oid = c.relnamespace,
  LATERAL (SELECT r.root, (SELECT array_agg(b.attnum::int ORDER BY u.place)
    FROM unnest(k.conkey) WITH ORDINALITY AS u(number, place)
    JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.number
    JOIN pg_attribute b ON b.attrelid = r.root AND b.attname = a.attname) AS columns
    FROM (SELECT coalesce(pg_partition_root(k.conrelid)::oid, k.conrelid) AS root) AS r) AS child,
  LATERAL (SELECT r.root, (SELECT array_agg(b.attnum::int ORDER BY u.place)
    FROM unnest(k.confkey) WITH ORDINALITY AS u(number, place)
    JOIN pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = u.number
    JOIN pg_attribute b ON b.attrelid = r.root AND b.attname = a.attname) AS columns
    FROM (SELECT coalesce(pg_partition_root(k.confrelid)::oid, k.confrelid) AS root) AS r) AS parent
WHERE k.contype = 'f' AND k.conparentid = 0 AND {ours}
ORDER BY n.nspname, c.relname, k.conname
"""

TRIGGERS: LiteralString = """
SELECT coalesce(pg_partition_root(c.oid)::oid, c.oid)::bigint AS relation,
  CASE WHEN c.relispartition THEN format('%s of its partition %s', t.tgname, c.relname)
    ELSE t.tgname::text END AS name, t.tgtype::int AS type,
  t.tgenabled IN ('O', 'A') AS enabled
FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE NOT t.tgisinternal AND t.tgparentid = 0 AND c.relkind <> 'v' AND {ours}
ORDER BY n.nspname, c.relname, t.tgname
"""

SEQUENCES: LiteralString = """
SELECT s.seqrelid::bigint AS oid, s.seqincrement AS increment, s.seqmin AS min_value,
  s.seqmax AS max_value,
  CASE WHEN has_sequence_privilege(s.seqrelid, 'SELECT')
    THEN pg_sequence_last_value(s.seqrelid) END AS last_value,
  (SELECT concat_ws('.', tn.nspname, t.relname, a.attname)
    FROM pg_depend d JOIN pg_class t ON t.oid = d.refobjid
    JOIN pg_namespace tn ON tn.oid = t.relnamespace
    JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
    WHERE d.classid = 'pg_class'::regclass AND d.objid = s.seqrelid
    AND d.refclassid = 'pg_class'::regclass AND d.deptype IN ('a', 'i') LIMIT 1) AS owned_by
FROM pg_sequence s JOIN pg_class c ON c.oid = s.seqrelid JOIN pg_namespace n
  ON n.oid = c.relnamespace
WHERE c.relpersistence <> 't' AND {ours}
ORDER BY n.nspname, c.relname
"""

# What each reads, through views and other materialised views; and functions that may read on.
MATERIALISED: LiteralString = """
WITH RECURSIVE reads(view, relation, rule) AS (
  SELECT c.oid, c.oid, w.oid FROM pg_class c JOIN pg_rewrite w ON w.ev_class = c.oid
    WHERE c.relkind = 'm'
  UNION
  SELECT r.view, d.refobjid, w.oid FROM reads r
    JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.rule
      AND d.refclassid = 'pg_class'::regclass
    LEFT JOIN pg_class c ON c.oid = d.refobjid AND c.relkind IN ('v', 'm')
    LEFT JOIN pg_rewrite w ON w.ev_class = c.oid
)
SELECT c.oid::bigint AS oid, c.relispopulated AS populated, pg_get_viewdef(c.oid) AS definition,
  (SELECT coalesce(array_agg(DISTINCT coalesce(pg_partition_root(r.relation)::oid,
      r.relation)::bigint), '{{}}') FROM reads r JOIN pg_class x ON x.oid = r.relation
    WHERE r.view = c.oid AND r.relation <> c.oid AND x.relkind <> 'v') AS reads,
  (SELECT coalesce(array_agg(DISTINCT p.proname::text), '{{}}') FROM reads r
    JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.rule
      AND d.refclassid = 'pg_proc'::regclass
    JOIN pg_proc p ON p.oid = d.refobjid AND p.provolatile <> 'i'
    WHERE r.view = c.oid) AS calls
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'm' AND {ours} ORDER BY n.nspname, c.relname
"""

LARGE_OBJECTS: LiteralString = "SELECT count(*) AS amount FROM pg_largeobject_metadata"
IN_RECOVERY: LiteralString = "SELECT pg_is_in_recovery() AS answer"


@dataclass(frozen=True, slots=True)
class RelationRow:
    """A relation of a user schema that may hold rows, or a sequence."""

    oid: int
    schema: str
    name: str
    kind: str
    persistence: str
    pages: int
    tuples: float
    size_bytes: int
    heap_bytes: int
    readable: bool
    has_heirs: bool
    foreign_part: bool
    detaching: bool
    keys_of_its_own: bool
    row_security: bool
    rules: bool
    extension: str | None

    @property
    def table_name(self) -> TableName:
        """The relation's schema and name."""
        return TableName(self.schema, self.name)

    @property
    def only_heirs(self) -> bool:
        """A table that others inherit from, without a page of its own: it has no rows."""
        return self.has_heirs and not self.heap_bytes

    def estimated_rows(self) -> int:
        """The planner's way: rows per page when last counted, times the pages of today."""
        if self.pages > 0 and self.tuples >= 0:
            return round(self.tuples / self.pages * (self.heap_bytes / _BLOCK_BYTES))
        return self.heap_bytes // _GUESSED_ROW_BYTES


@dataclass(frozen=True, slots=True)
class AttributeRow:
    """A column; type is its pg_type OID."""

    relation: int
    number: int
    name: str
    type: int
    typmod: int
    type_text: str
    not_null: bool
    has_default: bool
    generated: str
    identity: str


@dataclass(frozen=True, slots=True)
class IndexRow:
    """A live index; columns are the numbers of its key columns, 0 for an expression."""

    relation: int
    is_primary: bool
    is_unique: bool
    plain: bool
    for_equality: bool
    columns: list[int]


@dataclass(frozen=True, slots=True)
class ReferenceRow:
    """A foreign key, by OIDs and column numbers."""

    name: str
    child: int
    columns: list[int]
    parent: int
    parent_columns: list[int]
    on_delete: str
    on_update: str
    deferrable: bool


@dataclass(frozen=True, slots=True)
class TriggerRow:
    """A user's trigger; type holds its event bits."""

    relation: int
    name: str
    type: int
    enabled: bool


@dataclass(frozen=True, slots=True)
class SequenceRow:
    """A sequence's definition and what it has given out."""

    oid: int
    increment: int
    min_value: int
    max_value: int
    last_value: int | None
    owned_by: str | None


@dataclass(frozen=True, slots=True)
class MaterialisedRow:
    """A materialised view; reads holds OIDs, calls the functions that are not immutable."""

    oid: int
    populated: bool
    definition: str
    reads: list[int]
    calls: list[str]


@dataclass(frozen=True, slots=True)
class AmountRow:
    """A count."""

    amount: int


@dataclass(frozen=True, slots=True)
class AnswerRow:
    """A yes or no."""

    answer: bool
