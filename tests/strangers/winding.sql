-- Persons 3, 6, 9, 12 are Americans. Their country stands in addresses, some of them twice. No
-- foreign key leads from orders, lines, parcels, events and audits to anybody.
CREATE SCHEMA shop;

CREATE TABLE shop.customers (id bigint PRIMARY KEY, nick text, mail text NOT NULL);
CREATE TABLE shop.addresses (
    id int PRIMARY KEY,
    customer bigint NOT NULL REFERENCES shop.customers,
    street text,
    country text
);
INSERT INTO shop.customers SELECT n, 'nick-' || n, 'mail-' || n FROM generate_series(1, 12) AS n;
INSERT INTO shop.addresses
    SELECT n, n, 'street-' || n, (ARRAY['U.S.', 'DE', 'FR'])[n % 3 + 1]
    FROM generate_series(1, 12) AS n;
INSERT INTO shop.addresses VALUES (13, 3, 'street-3', 'US'), (14, 6, 'street-6', NULL),
    (15, 1, 'street-1', 'DE');

-- Numbers are given out once a depot, and twice by mistake: 'N-1' is 1's and 3's. The buyer is the
-- customer's key as text.
CREATE TABLE shop.orders (
    depot int NOT NULL,
    number varchar(20) NOT NULL,
    buyer text NOT NULL,
    gift text,
    first_line bigint,
    PRIMARY KEY (depot, number)
);
INSERT INTO shop.orders SELECT n % 2, 'N-' || n, n, 'gift-' || n FROM generate_series(1, 12) AS n;
INSERT INTO shop.orders VALUES (0, 'N-1', '3', 'gift-3-1', NULL);

-- Two for each order; an order refers to its first line: a circle of two kinds of references.
CREATE TABLE shop.lines (
    id bigint PRIMARY KEY,
    depot int NOT NULL,
    order_no text NOT NULL,
    what text,
    parcel uuid UNIQUE
);
INSERT INTO shop.lines
    SELECT n, n % 12 % 2, 'N-' || (n - 1) % 12 + 1, 'what-' || n,
        CASE WHEN n < 20 THEN md5(n::text)::uuid END
    FROM generate_series(1, 24) AS n;
UPDATE shop.orders SET first_line = substr(number, 3)::bigint WHERE depot = substr(number, 3)::int % 2;
ALTER TABLE shop.orders ADD FOREIGN KEY (first_line) REFERENCES shop.lines;

-- Of the order's number alone: N-1's is of 1 and of 3.
CREATE TABLE shop.notes (order_no text, note text);
INSERT INTO shop.notes SELECT 'N-' || n, 'note-' || n FROM generate_series(1, 12) AS n;
INSERT INTO shop.notes VALUES (NULL, 'about nobody');

-- Two soft hops to the order; the code is the parcel's as text.
CREATE TABLE shop.parcels (code text PRIMARY KEY, weight int);
INSERT INTO shop.parcels SELECT parcel, id FROM shop.lines WHERE parcel IS NOT NULL;

-- Others' rows that refer to members' lines, and the reverse: 2 complains of 3's line 3 and 3 of 4's.
CREATE TABLE shop.complaints (
    id int PRIMARY KEY,
    line bigint NOT NULL REFERENCES shop.lines,
    by bigint NOT NULL REFERENCES shop.customers,
    text text
);
INSERT INTO shop.complaints VALUES (1, 3, 2, 'complaint-2'), (2, 4, 3, 'complaint-3'),
    (3, 5, 5, 'complaint-5');

CREATE TABLE shop.events (id int PRIMARY KEY, payload jsonb NOT NULL);
INSERT INTO shop.events
    SELECT n, jsonb_build_object('user', jsonb_build_object('id',
        CASE WHEN n > 6 THEN to_jsonb(n::text) ELSE to_jsonb(n) END), 'what', 'event-' || n)
    FROM generate_series(1, 12) AS n;
INSERT INTO shop.events VALUES (13, '{}'), (14, '{"user": null}'), (15, '{"user": {"id": null}}'),
    (16, '[]');
DELETE FROM shop.events WHERE id = 16;

CREATE TABLE shop.audits (id int PRIMARY KEY, data json);
INSERT INTO shop.audits
    SELECT n, format('{"a/b": [{"": "%s"}], "said": "\u0000\ud83d audit-%s"}', n, n)::json
    FROM generate_series(1, 12) AS n;
INSERT INTO shop.audits VALUES (13, NULL);
