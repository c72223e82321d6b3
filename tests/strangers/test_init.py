"""`init` on a schema of a thousand tables, with names and values that nobody should have to see."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

from domicile.charter.countries import COUNTRIES
from tests.services.postgres import PostgresServer
from tests.strangers.story import new_story

SENTINEL = "zzsecret"
TABLES = 1000
_COUNTRIES = ", ".join(
    f"({at}, '{code}', '{COUNTRIES[code]}')" for at, code in enumerate(("US", "DE", "BR"), 1)
)
SCHEMA = f"""
CREATE SCHEMA shop; CREATE SCHEMA "Odd.Schema";
CREATE TABLE shop.countries (id smallint PRIMARY KEY, iso char(2), name text);
INSERT INTO shop.countries VALUES {_COUNTRIES};
CREATE TABLE shop.customers (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), email text,
    full_name text, mobile text, country_id smallint REFERENCES shop.countries,
    password text, "pin" text, "line
[tables.evil]" text, picture bytea, notes text);
INSERT INTO shop.customers (email, full_name, mobile, country_id, password, "pin", "line
[tables.evil]", picture, notes)
    SELECT '{SENTINEL}' || i || '@mail.example', 'Zzsecret Name', '+1 212 555 01' || 10 + i % 80,
    1 + i % 3, '{SENTINEL}', '{SENTINEL}', '{SENTINEL}', '\\x00ff',
    repeat('{SENTINEL} said that ', 200000) FROM generate_series(1, 60) AS i;
CREATE TABLE shop.orders (id bigint PRIMARY KEY, customer_id uuid, order_number bigint,
    placed_by uuid, total numeric);
INSERT INTO shop.orders SELECT row_number() OVER (), id, 4150000000, gen_random_uuid(), 1.5
    FROM shop.customers;
CREATE TABLE shop.carts (id bigint PRIMARY KEY, customer text, author text);
INSERT INTO shop.carts SELECT row_number() OVER (), id, 'A ' || id FROM shop.customers;
CREATE TABLE shop.order_items (id bigint PRIMARY KEY, order_id bigint, sku text);
INSERT INTO shop.order_items SELECT id, id, 'ABC-1' FROM shop.orders;
CREATE TABLE shop.returns (id bigint PRIMARY KEY, opened_by uuid REFERENCES shop.customers,
    approved_by uuid REFERENCES shop.customers);
INSERT INTO shop.returns SELECT row_number() OVER (), id, id FROM shop.customers;
CREATE TABLE shop.stock (id bigint PRIMARY KEY, product text, quantity integer);
INSERT INTO shop.stock VALUES (1, 'Wool Hat', 3), (2, 'Blue Shirt', 5);
CREATE TABLE shop.outbox (id bigint PRIMARY KEY, payload jsonb);
INSERT INTO shop.outbox VALUES (1, '{{"who": "{SENTINEL}"}}');
CREATE TABLE shop.leads (id bigint PRIMARY KEY, said text);
INSERT INTO shop.leads SELECT i, 'please write to {SENTINEL}@mail.example soon, thank you'
    FROM generate_series(1, 20) AS i;
CREATE TABLE "Odd.Schema"."x"" y" (id integer PRIMARY KEY);
DO $$ BEGIN FOR n IN 1..{TABLES} LOOP
    EXECUTE format('CREATE TABLE t%s (id bigint PRIMARY KEY, customer_id uuid%s, phone text,'
        ' label text)', n, CASE WHEN n % 2 = 0 THEN ' REFERENCES shop.customers' ELSE '' END);
    EXECUTE format('INSERT INTO t%s SELECT 1, id, ''+1 212 555 0123'', ''{SENTINEL}'''
        ' FROM shop.customers LIMIT 1', n);
END LOOP; END $$;
"""


def test_a_thousand_tables_of_strangers_become_a_charter(
    postgres18: PostgresServer, tmp_path: Path
) -> None:
    story = new_story(tmp_path, postgres18, postgres18, SCHEMA, 1)
    source = tomllib.loads(story.source.table("s", "x"))["sites"]["s"]["url"]
    home = tomllib.loads(story.home.table("s", "x"))["sites"]["s"]["url"]
    words = ["init", "--members", "US", "--custodian", "Trust", "--provider", "Homeland"]
    words += ["--json", "--home", f"home={home}", f"shop={source}#country=DE,provider=Shop"]
    said = story.run(*words)
    told = json.loads(said)
    text = (tmp_path / "domicile.toml").read_text()
    found = tomllib.loads(text)

    assert SENTINEL not in (said + text).lower()
    assert told["loads"]
    assert told["tables"] == TABLES + 10
    assert told["statements"] < TABLES / 20
    assert told["not_sampled"] == {}
    assert found["people"]["table"] == "shop.customers"
    assert found["people"]["country"] == "country_id"
    assert found["people"]["spellings"] == {"1": "US", "2": "DE", "3": "BR"}
    by_table = {dataset["table"]: dataset for dataset in found["tables"].values()}
    assert by_table["shop.customers"]["categories"] == {
        "email": "user.contact.email",
        "full_name": "user.name",
        "mobile": "user.contact.phone_number",
        "password": "user.authorization.password",
        "pin": "user.authorization.credentials",
        "notes": "user.content",
    }
    assert by_table["shop.orders"]["person"] == ["customer_id"]
    assert by_table["shop.carts"]["person"] == ["customer"]
    assert by_table["shop.returns"]["person"] == ["opened_by", "approved_by"]
    assert by_table["shop.stock"]["classification"] == "public"
    assert by_table["t1"]["person"] == ["customer_id"]
    assert "person" not in by_table["t2"]
    public = {t for t, dataset in by_table.items() if dataset.get("classification") == "public"}
    assert public == {"shop.stock", "shop.countries"}

    scanned = json.loads(story.run("scan", "--json", expected=1))
    rows = {count["table"]: count for count in scanned["tables"]}
    told = {rows[f"shop.{name}"]["members"] for name in ("customers", "orders", "carts")}
    assert told == {20}
    unexamined = {t for t, c in rows.items() if c["unexamined"] and not t.startswith("t")}
    assert unexamined == {"shop.order_items", "shop.outbox", "shop.leads"}


def test_a_password_in_a_url_is_refused_and_not_repeated(
    postgres18: PostgresServer, tmp_path: Path
) -> None:
    story = new_story(tmp_path, postgres18, postgres18, "SELECT 1")
    for url in (
        f"postgresql://app:{SENTINEL}@localhost/shop",
        f"postgresql://app@localhost/shop?password={SENTINEL}",
        f"s3://key:{SENTINEL}@bucket",
    ):
        said = story.run("init", "postgresql://app@localhost/other", url, expected=2)
        assert SENTINEL not in said
    assert not (tmp_path / "domicile.toml").exists()
