"""The catalogue's questions and the shape of their answers; `catalogue` makes sense of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import LiteralString

from psycopg import sql

from domicile.sites.postgres.model import TableName

__all__ = [
    "COLUMNS",
    "EVENT_TRIGGERS",
    "FOREIGN_KEYS",
    "INDEXES",
    "IN_RECOVERY",
    "LARGE_OBJECTS",
    "OURS",
    "RELATIONS",
    "SEQUENCES",
    "TRIGGERS",
    "TYPES",
    "VIEWS",
    "AmountRow",
    "AnswerRow",
    "AttributeRow",
    "EventTriggerRow",
    "IndexRow",
    "ReferenceRow",
    "RelationRow",
    "SequenceRow",
    "TriggerRow",
    "ViewRow",
]

_BLOCK_BYTES = 8192
_GUESSED_ROW_BYTES = 100  # for a table that was never analysed

# User schemas; every query names the schema's row n.
OURS = sql.SQL("n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'domicile')")

RELATIONS: LiteralString = """
SELECT c.oid::bigint AS oid, n.nspname AS schema, c.relname AS name, c.relkind::text AS kind,
  c.relpersistence = 'u' OR coalesce(p.unlogged, false) AS unlogged,
  pg_is_in_recovery() AS in_recovery,
  coalesce(p.pages, c.relpages)::bigint AS pages, coalesce(p.tuples, c.reltuples)::float8 AS tuples,
  CASE WHEN c.relkind IN ('r', 'm') THEN coalesce(pg_table_size(c.oid), 0)
    ELSE coalesce(p.size_bytes, 0) END::bigint AS size_bytes,
  CASE WHEN c.relkind IN ('r', 'm') THEN coalesce(pg_relation_size(c.oid), 0)
    ELSE coalesce(p.heap_bytes, 0) END::bigint AS heap_bytes,
  coalesce(p.schemas, '{{}}') AS leaf_schemas, coalesce(p.names, '{{}}') AS leaf_names,
  coalesce(p.oids, '{{}}') AS leaf_oids, p.abroad AS foreign_leaf, p.detaching,
  has_schema_privilege(n.oid, 'USAGE') AND CASE WHEN c.relkind = 'S'
    THEN has_sequence_privilege(c.oid, 'SELECT') ELSE has_table_privilege(c.oid, 'SELECT') END
    AS readable,
  ARRAY(SELECT i.inhparent::bigint FROM pg_inherits i WHERE i.inhrelid = c.oid
    ORDER BY i.inhseqno) AS inherits,
  (SELECT e.extname FROM pg_inherits i
    JOIN pg_class h ON h.oid IN (c.oid, i.inhrelid)
    JOIN pg_depend d ON d.classid = 'pg_namespace'::regclass AND d.objid = h.relnamespace
      AND d.deptype = 'e' AND d.refclassid = 'pg_extension'::regclass
    JOIN pg_extension e ON e.oid = d.refobjid
    WHERE c.oid IN (i.inhparent, i.inhrelid) AND c.relkind <> 'p' LIMIT 1) AS tree_of,
  row_security_active(c.oid) AS row_security,
  ARRAY(SELECT w.rulename::text FROM pg_rewrite w WHERE w.ev_class = c.oid
    AND w.ev_type IN ('2', '4') AND w.ev_enabled IN ('O', 'A') ORDER BY 1) AS rules,
  ARRAY(SELECT w.rulename::text FROM pg_rewrite w WHERE w.ev_class = c.oid
    AND w.ev_type = '3' AND w.ev_enabled IN ('O', 'A') ORDER BY 1) AS insert_rules,
  (SELECT e.extname FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid
    WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid
    AND d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e' LIMIT 1) AS extension
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN LATERAL (
    SELECT sum(pg_table_size(l.oid)) AS size_bytes, sum(pg_relation_size(l.oid)) AS heap_bytes,
      sum(l.relpages) AS pages, sum(greatest(l.reltuples, 0)) AS tuples,
      bool_or(l.relpersistence = 'u') AS unlogged,
      array_agg(m.nspname::text ORDER BY m.nspname, l.relname) FILTER (WHERE t.isleaf) AS schemas,
      array_agg(l.relname::text ORDER BY m.nspname, l.relname) FILTER (WHERE t.isleaf) AS names,
      min(l.relname::text) FILTER (WHERE l.relkind = 'f') AS abroad,
      min((SELECT d.inhrelid::regclass::text FROM pg_inherits d WHERE d.inhparent = l.oid
        AND to_jsonb(d) ->> 'inhdetachpending' = 'true' LIMIT 1)) AS detaching,
      array_agg(l.oid::bigint) FILTER (WHERE t.isleaf) AS oids
    FROM pg_partition_tree(c.oid) t JOIN pg_class l ON l.oid = t.relid
      JOIN pg_namespace m ON m.oid = l.relnamespace
    WHERE c.relkind = 'p'
  ) p ON true
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

FOREIGN_KEYS: LiteralString = """
SELECT k.conname AS name, CASE WHEN c.relispartition THEN k.conrelid::bigint END AS of_partition,
  (SELECT p.relispartition FROM pg_class p WHERE p.oid = k.confrelid) AS to_partition,
  coalesce(pg_partition_root(k.conrelid), k.conrelid)::oid::bigint AS child,
  ARRAY(SELECT a.attname::text FROM unnest(k.conkey) WITH ORDINALITY AS u(number, place)
    JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.number ORDER BY u.place)
    AS columns,
  coalesce(pg_partition_root(k.confrelid), k.confrelid)::oid::bigint AS parent,
  ARRAY(SELECT a.attname::text FROM unnest(k.confkey) WITH ORDINALITY AS u(number, place)
    JOIN pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = u.number ORDER BY u.place)
    AS parent_columns,
  k.confdeltype::text AS on_delete, k.confupdtype::text AS on_update, k.condeferrable AS deferrable,
  EXISTS (SELECT FROM pg_operator o WHERE o.oid = ANY (k.conpfeqop)
    AND o.oprnamespace <> 'pg_catalog'::regnamespace) OR EXISTS (SELECT FROM pg_attribute a
    JOIN pg_collation l ON l.oid = a.attcollation WHERE NOT l.collisdeterministic
    AND (a.attrelid, a.attnum) IN (SELECT k.conrelid, unnest(k.conkey)
      UNION ALL SELECT k.confrelid, unnest(k.confkey))) AS own_equality,
  k.convalidated AND coalesce(to_jsonb(k) ->> 'conenforced', 'true')::boolean AS holds,
  coalesce(to_jsonb(k) ->> 'conperiod', 'false')::boolean AS is_period
FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid
  JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE k.contype = 'f' AND k.conparentid = 0 AND {ours}
ORDER BY n.nspname, c.relname, k.conname
"""

TRIGGERS: LiteralString = """
SELECT coalesce(pg_partition_root(t.tgrelid), t.tgrelid)::oid::bigint AS relation,
  t.tgname AS name, t.tgtype::int AS type,
  t.tgenabled IN ('O', 'A') AS enabled
FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE NOT t.tgisinternal AND c.relkind <> 'v' AND t.tgparentid = 0 AND {ours}
ORDER BY n.nspname, c.relname, t.tgname
"""

EVENT_TRIGGERS: LiteralString = """
SELECT evtname AS name, evtevent AS event, coalesce(evttags, '{{}}') AS tags,
  evtenabled IN ('O', 'A') AS enabled
FROM pg_event_trigger ORDER BY 1
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

VIEWS: LiteralString = """
WITH RECURSIVE rests AS (
  SELECT c.oid AS view, c.oid AS through, c.relkind AS kind
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE c.relkind = 'm' AND {ours}
UNION
  SELECT r.view, c.oid, c.relkind FROM rests r JOIN pg_rewrite w ON w.ev_class = r.through
    JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = w.oid
    JOIN pg_class c ON d.refclassid = 'pg_class'::regclass AND c.oid = d.refobjid
  WHERE r.kind IN ('v', 'm') AND c.oid <> r.through AND c.relkind IN ('r', 'p', 'f', 'v', 'm')
)
SELECT c.oid::bigint AS oid, pg_get_viewdef(c.oid) AS definition, c.relispopulated AS populated,
  ARRAY(SELECT DISTINCT coalesce(pg_partition_root(r.through), r.through)::oid::bigint FROM rests r
    WHERE r.view = c.oid AND r.kind IN ('r', 'p', 'f')) AS tables,
  ARRAY(SELECT r.through::bigint FROM rests r
    WHERE r.view = c.oid AND r.kind = 'm' AND r.through <> c.oid) AS views,
  EXISTS (SELECT FROM rests r JOIN pg_rewrite w ON w.ev_class = r.through
    JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = w.oid
    LEFT JOIN pg_operator o ON d.refclassid = 'pg_operator'::regclass AND o.oid = d.refobjid
    JOIN pg_proc f ON f.oid = o.oprcode
      OR (d.refclassid = 'pg_proc'::regclass AND f.oid = d.refobjid)
    JOIN pg_language l ON l.oid = f.prolang
    WHERE r.view = c.oid AND r.kind IN ('v', 'm')
      AND (l.lanname <> 'internal' OR f.prokind = 'a')) AS opaque
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'm' AND {ours}
ORDER BY n.nspname, c.relname
"""

LARGE_OBJECTS: LiteralString = "SELECT count(*) AS amount FROM pg_largeobject_metadata"
IN_RECOVERY: LiteralString = "SELECT pg_is_in_recovery() AS answer"


@dataclass(frozen=True, slots=True)
class RelationRow:
    """A relation of a user schema that may hold rows, or a sequence. inherits: what from, first to
    last; tree_of: the extension in whose schema a table of that tree lies. rules: enabled ones for
    UPDATE and DELETE."""

    oid: int
    schema: str
    name: str
    kind: str
    unlogged: bool
    in_recovery: bool
    pages: int
    tuples: float
    size_bytes: int
    heap_bytes: int
    leaf_schemas: list[str]
    leaf_names: list[str]
    leaf_oids: list[int]
    foreign_leaf: str | None
    detaching: str | None
    readable: bool
    inherits: list[int]
    tree_of: str | None
    row_security: bool
    rules: list[str]
    insert_rules: list[str]
    extension: str | None

    @property
    def table_name(self) -> TableName:
        """The relation's schema and name."""
        return TableName(self.schema, self.name, is_root=self.kind == "p")

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
    """A foreign key, between roots where they are partitions. of_partition: that of which it is.
    own_equality: it compares by an operator that isn't PostgreSQL's own, or under a collation that
    takes different texts for equal; holds: the server has seen
    that every row keeps it; is_period: it wants a period within the parent's, not an equal one."""

    name: str
    of_partition: int | None
    to_partition: bool
    child: int
    columns: list[str]
    parent: int
    parent_columns: list[str]
    on_delete: str
    on_update: str
    deferrable: bool
    own_equality: bool
    holds: bool
    is_period: bool

    @property
    def key(self) -> tuple[object, ...]:
        """What it says, whatever its name."""
        columns = (tuple(self.columns), tuple(self.parent_columns))
        return (*columns, self.parent, self.on_delete, self.on_update, self.deferrable)


@dataclass(frozen=True, slots=True)
class TriggerRow:
    """A user's trigger; type holds its event bits."""

    relation: int
    name: str
    type: int
    enabled: bool


@dataclass(frozen=True, slots=True)
class EventTriggerRow:
    """A trigger on commands; no tags for all of them."""

    name: str
    event: str
    tags: list[str]
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
class ViewRow:
    """A materialised view and what it rests on, by OIDs."""

    oid: int
    definition: str
    populated: bool
    tables: list[int]
    views: list[int]
    opaque: bool


@dataclass(frozen=True, slots=True)
class AmountRow:
    """A count."""

    amount: int


@dataclass(frozen=True, slots=True)
class AnswerRow:
    """A yes or no."""

    answer: bool
