-- Rows with two persons of which each gets a copy. test_letters.py knows by hand whose each row is.

CREATE TABLE public.person (
    id integer PRIMARY KEY, handle text NOT NULL, mail text NOT NULL UNIQUE, country text
);
INSERT INTO public.person VALUES
    (1, 'ana', 'ana-US', 'US'), (2, 'ben', 'ben-US', 'US'), (3, 'cleo', 'cleo-US', 'US'),
    (4, 'dirk', 'dirk-DE', 'DE'), (5, 'emma', 'emma-DE', 'DE'), (6, 'fred', 'fred-DE', 'DE'),
    (7, 'nils', 'nils', NULL),  -- whose country nobody wrote down
    (8, 'gus', 'gus-US', 'US'); -- to whom nothing but a soft reference leads

CREATE TABLE public.video (
    id integer PRIMARY KEY, owner integer NOT NULL REFERENCES public.person,
    title text, place text
);
INSERT INTO public.video VALUES
    (1, 1, 'Ana''s, in a letter to Dirk', 'place-US'), (2, 1, 'Ana''s, in no letter', 'place-US'),
    (3, 4, 'Dirk''s, in a letter to Ana', 'place-DE'), (4, 5, 'Emma''s, in no letter', 'place-DE');

-- A letter may answer another one, and show a video.
CREATE TABLE public.letter (
    id integer PRIMARY KEY, sender integer NOT NULL REFERENCES public.person,
    receiver integer REFERENCES public.person, answers integer REFERENCES public.letter,
    video integer REFERENCES public.video, body text, loud text GENERATED ALWAYS AS (upper(body)) STORED
);
CREATE INDEX ON public.letter (answers);
INSERT INTO public.letter (id, sender, receiver, answers, video, body) VALUES
    (10, 1, 2, NULL, 2, 'body-US: Ana to Ben'),
    (11, 2, 1, 10, NULL, 'body-US: Ben to Ana'),
    (12, 1, NULL, NULL, NULL, 'body-US: Ana to all'),
    (13, 2, 3, NULL, NULL, 'body-US: Ben to Cleo, passed on to Dirk'),
    (20, 1, 4, NULL, 1, 'Ana to Dirk'),
    (21, 4, 1, 20, 3, 'Dirk to Ana'),
    (22, 2, 4, 13, NULL, 'Ben passes on to Dirk'),
    (23, 5, 3, NULL, NULL, 'Emma to Cleo'),
    (24, 1, 2, 21, NULL, 'body-US: Ana to Ben about Dirk'),
    (30, 4, 5, NULL, 3, 'Dirk to Emma'),
    (31, 5, 4, 30, NULL, 'Emma to Dirk'),
    (32, 6, 4, 22, NULL, 'Fred to Dirk about Ben''s'),
    (40, 3, 7, NULL, NULL, 'Cleo to Nils');

-- What hangs on a letter is whose the letter is.
CREATE DOMAIN public.lo AS oid;
CREATE TABLE public.attachment (
    letter integer NOT NULL REFERENCES public.letter, n smallint, file bytea, voice public.lo,
    PRIMARY KEY (letter, n)
);
INSERT INTO public.attachment
SELECT id, n, convert_to('with ' || body, 'UTF8') FROM public.letter, generate_series(1, 2) AS n;
UPDATE public.attachment SET voice = lo_from_bytea(0, 'to Dirk') WHERE letter = 20 AND n = 1;

-- No foreign key: who dances with whom.
CREATE TABLE public."Duet's" (
    "song ""%s""" text PRIMARY KEY, one integer NOT NULL, other integer, takes jsonb NOT NULL
);
INSERT INTO public."Duet's" VALUES
    ('Ana and Ben', 1, 2, '{"US": 1}'), ('Gus and Dirk', 8, 4, '{"shared": 1}'),
    ('Emma and Gus', 5, 8, '{"shared": 2}'), ('Gus alone', 8, NULL, '{"US": 2}'),
    ('Emma and Fred', 5, 6, '{"DE": 1}');

-- Nothing protected is in it, and others refer to it.
CREATE TABLE public.friendship (
    id integer PRIMARY KEY, one integer NOT NULL REFERENCES public.person,
    other integer NOT NULL REFERENCES public.person
);
CREATE TABLE public.toast (
    id integer PRIMARY KEY, friendship integer NOT NULL REFERENCES public.friendship,
    speaker integer NOT NULL REFERENCES public.person, words text
);
INSERT INTO public.friendship VALUES (1, 1, 2), (2, 1, 4), (3, 4, 5), (4, 3, 5);
INSERT INTO public.toast VALUES (1, 1, 2, 'words-US'), (2, 2, 4, 'Dirk''s words');
