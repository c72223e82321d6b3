from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

import domicile.state.database as module
from domicile.errors import SiteRefused
from domicile.state import BOUNDARY_KEYS, PSEUDONYMS, RunRecord, State

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
SHA = "ab" * 32


def scripts() -> ScriptDirectory:
    config = Config()
    location = Path(module.__file__).parent / "migrations"
    config.set_main_option("script_location", str(location))
    return ScriptDirectory.from_config(config)


def test_head_is_the_newest_migration() -> None:
    assert scripts().get_heads() == [module.HEAD]


def test_a_fresh_database_is_migrated_to_what_the_models_say(tmp_path: Path) -> None:
    State.beside(tmp_path / "records").close()
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'records' / 'state.sqlite'}")
    with engine.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "compare_server_default": True}
        )
        assert context.get_current_revision() == module.HEAD
        assert compare_metadata(context, module._METADATA) == []
    engine.dispose()


def test_each_migration_can_be_taken_back(tmp_path: Path) -> None:
    State.beside(tmp_path).close()
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'state.sqlite'}")
    with engine.connect() as connection:
        from alembic import command  # noqa: PLC0415 - only here

        config = Config()
        config.set_main_option("script_location", str(scripts().dir))
        config.attributes["connection"] = connection
        command.downgrade(config, "base")
        connection.commit()
        assert sa.inspect(connection).get_table_names() == ["alembic_version"]
    engine.dispose()
    state = State.beside(tmp_path)
    assert state.runs() == []
    state.close()


def downgraded(directory: Path, revision: str, insert: str, row: tuple[object, ...]) -> None:
    """A database of an earlier version, with one row in it."""
    State.beside(directory).close()
    engine = sa.create_engine(f"sqlite:///{directory / 'state.sqlite'}")
    with engine.connect() as connection:
        from alembic import command  # noqa: PLC0415 - only here

        config = Config()
        config.set_main_option("script_location", str(scripts().dir))
        config.attributes["connection"] = connection
        command.downgrade(config, revision)
        connection.exec_driver_sql(insert, row)
        connection.commit()
    engine.dispose()


def test_wrapped_keys_outlive_the_migration_of_their_table(tmp_path: Path) -> None:
    kept = ("us", 1, "file:custodian.root", 1, b"wrapped")
    downgraded(tmp_path, "0003", "INSERT INTO boundary_keys VALUES (?, ?, ?, ?, ?)", kept)
    state = State.beside(tmp_path)
    with state.begin() as connection:
        assert connection.execute(sa.select(BOUNDARY_KEYS)).all() == [kept]
    state.close()


def test_who_had_a_key_before_it_went_by_a_name_of_its_own_keeps_it(tmp_path: Path) -> None:
    subject = bytes(range(16))
    name = "p-" + base64.b32encode(subject).decode().rstrip("=").lower()
    insert = "INSERT INTO pseudonyms (person, pseudonym) VALUES (?, ?)"
    downgraded(tmp_path, "0005", insert, ("anna", name))
    state = State.beside(tmp_path)
    with state.begin() as connection:
        assert connection.execute(sa.select(PSEUDONYMS)).all() == [("anna", name, subject)]
    state.close()


def test_runs_are_remembered_newest_first_across_openings(tmp_path: Path) -> None:
    first = State.beside(tmp_path)
    first.start_run("one", NOON, SHA)
    first.start_run("two", NOON + timedelta(hours=1), SHA)
    first.scanned("one", NOON + timedelta(minutes=5))
    first.planned("one", "cd" * 32)
    first.close()
    again = State.beside(tmp_path)
    assert again.runs() == [
        RunRecord("two", NOON + timedelta(hours=1), SHA, None, None),
        RunRecord("one", NOON, SHA, NOON + timedelta(minutes=5), "cd" * 32),
    ]
    again.close()


def test_times_are_kept_as_utc_whatever_their_zone(tmp_path: Path) -> None:
    state = State.beside(tmp_path)
    state.start_run("one", NOON.astimezone(timezone(timedelta(hours=9))), SHA)
    (run,) = state.runs()
    assert run.started_at == NOON
    assert run.started_at.tzinfo is UTC
    state.close()


def test_a_run_begins_once(tmp_path: Path) -> None:
    state = State.beside(tmp_path)
    state.start_run("one", NOON, SHA)
    with pytest.raises(SiteRefused):
        state.start_run("one", NOON, SHA)
    assert len(state.runs()) == 1
    state.close()
