-- Kinds of relations that real databases have beside ordinary tables.

CREATE SCHEMA archive;
CREATE TYPE public.part AS (street text, "no." integer);
CREATE DOMAIN public.parts AS public.part[];

CREATE TABLE public.person (
    id integer PRIMARY KEY, country text NOT NULL, name text NOT NULL, motto text
);
INSERT INTO public.person VALUES
    (1, 'NO', 'Kari', 'motto-1'), (2, 'US', 'Ana', 'motto-US-2'), (3, 'US', 'Bob', 'motto-US-3'),
    (4, 'DE', 'Dirk', NULL);

-- By range, then by list, in two schemas, with columns in another order, one dropped, a default.
CREATE TABLE public.post (
    at date NOT NULL,
    id bigint NOT NULL,
    author integer NOT NULL REFERENCES public.person ON DELETE CASCADE,
    lang text NOT NULL DEFAULT 'en',
    body text NOT NULL,
    PRIMARY KEY (at, id, lang)
) PARTITION BY RANGE (at);
CREATE TABLE archive.post_old (
    gone text, body text NOT NULL, id bigint NOT NULL, author integer NOT NULL,
    at date NOT NULL, lang text NOT NULL
) PARTITION BY LIST (lang);
ALTER TABLE archive.post_old DROP COLUMN gone;
ALTER TABLE public.post ATTACH PARTITION archive.post_old
    FOR VALUES FROM (MINVALUE) TO ('2020-01-01');
CREATE TABLE archive.post_old_en PARTITION OF archive.post_old FOR VALUES IN ('en');
CREATE UNLOGGED TABLE archive.post_old_rest PARTITION OF archive.post_old DEFAULT;
CREATE TABLE public.post_rest PARTITION OF public.post DEFAULT;
CREATE INDEX ON public.post (author);
INSERT INTO public.post VALUES
    ('2019-01-01', 1, 1, 'en', 'body of 1'), ('2019-01-01', 2, 2, 'en', 'body-US: referred to'),
    ('2019-05-05', 3, 3, 'de', 'body-US: alone in its partition'),
    ('2021-01-01', 4, 4, 'de', 'body of 4'), ('2021-01-01', 5, 3, 'en', 'body-US'),
    ('2022-01-01', 6, 2, 'fr', 'body-US: leaf');

-- A foreign key to a partitioned table, from another by hash.
CREATE TABLE public.reply (
    id integer NOT NULL,
    at date NOT NULL, post bigint NOT NULL, lang text NOT NULL,
    author integer REFERENCES public.person,
    body text,
    PRIMARY KEY (id),
    FOREIGN KEY (at, post, lang) REFERENCES public.post (at, id, lang) ON DELETE CASCADE
) PARTITION BY HASH (id);
CREATE TABLE public.reply_0 PARTITION OF public.reply FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE public.reply_1 PARTITION OF public.reply FOR VALUES WITH (MODULUS 2, REMAINDER 1);
INSERT INTO public.reply VALUES
    (1, '2019-01-01', 2, 'en', 1, 'Kari answers Ana'),
    (2, '2021-01-01', 4, 'de', 2, 'answer-US: Ana answers Dirk'),
    (3, '2022-01-01', 6, 'fr', 3, 'answer-US: Bob answers Ana');

-- Partitions without a key of any kind, and rows that are there twice.
CREATE TABLE public.visit (person integer REFERENCES public.person, page text)
    PARTITION BY LIST (person);
CREATE TABLE public.visit_us PARTITION OF public.visit FOR VALUES IN (2, 3);
CREATE TABLE public.visit_rest PARTITION OF public.visit DEFAULT;
INSERT INTO public.visit VALUES (1, '/'), (2, '/us'), (2, '/us'), (3, '/us'), (NULL, '/nobody');
ANALYZE public.visit;

-- Inherited from, without rows of its own.
CREATE TABLE public.event (id integer NOT NULL, who integer NOT NULL);
CREATE TABLE public.login (ip inet, PRIMARY KEY (id),
    FOREIGN KEY (who) REFERENCES public.person) INHERITS (public.event);
INSERT INTO public.login VALUES (1, 1, '10.0.0.1'), (2, 2, '10.0.0.2'), (3, 4, NULL);

-- Types.
CREATE UNLOGGED TABLE public.oddity (
    id bigint GENERATED ALWAYS AS IDENTITY (CACHE 50) PRIMARY KEY,
    who integer NOT NULL REFERENCES public.person,
    c "char", n name, o oid, r regclass, ty regtype, l pg_lsn, m money, b bit(3), vb varbit,
    ir int4range, nr nummultirange, x json, ts tsvector, tq tsquery, p point, pa public.part,
    ps public.parts, mac macaddr, j jsonb[], big text,
    twice integer GENERATED ALWAYS AS (who * 2) STORED
);
INSERT INTO public.oddity (who, c, n, o, r, ty, l, m, b, vb, ir, nr, x, ts, tq, p, pa, ps, mac, j,
    big)
SELECT who, 'x', 'näme', 4294967295, 'public.person', 'public.part', '16/B374D848', '12.34',
    B'101', B'1', '[1,5)', '{[1.5,2),[3,)}', '{"b":1,  "a":1}', 'a:1A fat:2', 'a & !b', '(1.5,-0)',
    '("a,b",)', ARRAY['("a,b",1)', NULL]::public.part[], '08:00:2b:01:02:03',
    ARRAY['{"a": 1.0}']::jsonb[], repeat(who::text, 100000)
FROM unnest(ARRAY[1, 2, 3]) AS who;
COMMENT ON COLUMN public.oddity.c IS 'a comment, "quoted"';

-- Copies of rows: through a view, of each other, and one that nobody filled.
CREATE VIEW public.named AS SELECT id, name, motto FROM public.person;
CREATE MATERIALIZED VIEW public.z_mottos AS
    SELECT n.motto, p.body FROM public.named n LEFT JOIN public.post p ON p.author = n.id;
CREATE UNIQUE INDEX ON public.z_mottos (motto, body);
CREATE MATERIALIZED VIEW archive.longest AS SELECT max(motto) AS motto FROM public.z_mottos;
CREATE MATERIALIZED VIEW archive.unfilled AS SELECT * FROM public.oddity WITH NO DATA;
