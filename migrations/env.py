"""How Alembic reaches Postgres: one transaction for all migrations, never two migrators at once, no long locks."""

import os

import psycopg
from alembic import context
from sqlalchemy import Connection, create_engine, pool, text

from server.storage.migrate import refuse_old
from server.storage.tables import METADATA

# One key for all migrators of a database; advisory locks are per database.
_LOCK = "select pg_advisory_xact_lock(hashtextextended('migrations', 0))"
# A migration that cannot have its lock soon must not make every other query queue behind it.
_LOCK_TIMEOUT = "set local lock_timeout = '5s'"
_STATEMENT_TIMEOUT = "set local statement_timeout = '10min'"
# The tables belong here whatever the role's search_path says.
_SEARCH_PATH = "set local search_path = public"


def _mine(_object: object, name: str | None, kind: str, _reflected: bool, _compared: object) -> bool:
    return not (kind == "table" and name == "alembic_version")


def _migrate(connection: Connection) -> None:
    refuse_old(connection)
    context.configure(
        connection=connection,
        target_metadata=METADATA,
        compare_type=True,
        compare_server_default=True,
        include_object=_mine,
        version_table_schema="public",
    )
    with context.begin_transaction():
        # Waiting for another migrator is no reason to fail: the lock comes before the time-out.
        for command in (_LOCK, _LOCK_TIMEOUT, _STATEMENT_TIMEOUT, _SEARCH_PATH):
            connection.execute(text(command))
        context.run_migrations()


def _online() -> None:
    given = context.config.attributes.get("connection")
    if given is not None:
        _migrate(given)
        return
    dsn = os.environ["MIGRATION_DATABASE_URL"]
    engine = create_engine("postgresql+psycopg://", creator=lambda: psycopg.connect(dsn), poolclass=pool.NullPool)
    with engine.connect() as connection:
        _migrate(connection)


def _offline() -> None:
    context.configure(
        dialect_name="postgresql", target_metadata=METADATA, literal_binds=True, version_table_schema="public"
    )
    with context.begin_transaction():
        for command in (_LOCK, _LOCK_TIMEOUT, _STATEMENT_TIMEOUT, _SEARCH_PATH):
            context.execute(command)
        context.run_migrations()


if context.is_offline_mode():
    _offline()
else:
    _online()
