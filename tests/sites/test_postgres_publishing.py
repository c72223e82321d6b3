from __future__ import annotations

import psycopg
import pytest

from domicile.sites.postgres import TableName, unidentified_tables
from tests.services.postgres import PostgresServer, fresh_database

STATEMENTS = """
CREATE TABLE public.keyed (id int PRIMARY KEY);
CREATE TABLE public.bare (id int);
CREATE TABLE public.whole (id int);
ALTER TABLE public.whole REPLICA IDENTITY FULL;
CREATE TABLE public.added (id int);
CREATE TABLE public.parted (id int) PARTITION BY LIST (id);
CREATE TABLE public.part PARTITION OF public.parted DEFAULT;
INSERT INTO public.parted VALUES (1);
CREATE PUBLICATION several FOR TABLE public.keyed, public.bare, public.whole, public.parted
    WITH (publish_via_partition_root = true);
CREATE PUBLICATION additions FOR TABLE public.added WITH (publish = 'insert');
"""


def test_published_tables_whose_rows_cannot_be_deleted_are_named(
    postgres_server: PostgresServer,
) -> None:
    site = fresh_database(postgres_server)
    with site.connect() as connection:
        connection.execute(STATEMENTS)
        found = unidentified_tables(connection)
        assert found == [TableName("public", "bare"), TableName("public", "parted")]
        with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState):
            connection.execute("DELETE FROM public.parted")
