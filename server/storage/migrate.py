"""Brings a database to the newest schema, and makes the roles that the processes log in as."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from alembic import command
from alembic.config import Config
from psycopg import sql
from psycopg.conninfo import make_conninfo
from sqlalchemy import Connection, create_engine, pool
from sqlalchemy.exc import SQLAlchemyError

from server.storage.tables import OPERATOR_ROLE, SERVER_ROLE

MIGRATIONS = Path(__file__).resolve().parents[2] / "migrations"
OLDEST_POSTGRES = 15


class PostgresTooOld(psycopg.NotSupportedError):
    """The server is older than OLDEST_POSTGRES. The message says what it is and what is needed."""


class RolesNotAllowed(Exception):
    """The given role may not make roles. The message says what it lacks and what to do."""


def migrate(dsn: str, *, revision: str = "head") -> None:
    """Applies what is missing, as the role that owns the tables. Repeating is harmless.

    Several processes may do it at once; within one process Alembic allows one at a time.
    The role needs CREATE on the database and schema public and, the first time on a server, CREATEROLE. Raises
    PostgresTooOld.
    """
    engine = create_engine("postgresql+psycopg://", creator=lambda: psycopg.connect(dsn), poolclass=pool.NullPool)
    with engine.connect() as connection:
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, revision)


class DatabaseRefused(Exception):
    """The database would not do it. The message says why, and what helps."""


@contextmanager
def refusals_told() -> Iterator[None]:
    """Raises DatabaseRefused for what the database refuses inside the block."""
    try:
        yield
    except (psycopg.Error, SQLAlchemyError) as error:
        raise DatabaseRefused(_told(error)) from error


def _told(error: psycopg.Error | SQLAlchemyError) -> str:
    """Why the database refused `migrate` or `ensure_login_roles`, and what helps, for whoever chose the role."""
    cause = getattr(error, "orig", None) or error
    text = (cause.diag.message_primary if isinstance(cause, psycopg.Error) else None) or str(cause)
    if isinstance(cause, psycopg.errors.InsufficientPrivilege):
        return f"{text}. The role needs CREATEROLE, and CREATE on the database and its schema public"
    return text


def refuse_old(connection: Connection) -> None:
    """Raises PostgresTooOld."""
    driver_connection = connection.connection.driver_connection
    assert driver_connection is not None
    version: int = driver_connection.info.server_version
    if version < OLDEST_POSTGRES * 10_000:
        raise PostgresTooOld(
            f"this is Postgres {version // 10_000}.{version % 10_000}, and {OLDEST_POSTGRES} or later is needed"
        )


def migration_sql() -> str:
    """All migrations as one script, for whoever applies them by hand."""
    written = io.StringIO()
    config = _config()
    config.output_buffer = written
    command.upgrade(config, "head", sql=True)
    return written.getvalue()


def ensure_login_roles(
    owner_dsn: str, *, server_password: str, operator_password: str, prefix: str | None = None
) -> tuple[str, str]:
    """Makes the two login roles `{prefix}_server` and `{prefix}_operator`; answers their DSNs.

    The prefix is the database's name unless given, so that databases beside each other have roles of their own. Roles
    that exist get the password. Call it after `migrate`. Raises RolesNotAllowed.
    """
    with psycopg.connect(owner_dsn, autocommit=True) as connection:
        prefix = prefix or connection.info.dbname
        dsns = []
        for group, suffix, password in (
            (SERVER_ROLE, "server", server_password),
            (OPERATOR_ROLE, "operator", operator_password),
        ):
            name = f"{prefix}_{suffix}"
            if name in (SERVER_ROLE, OPERATOR_ROLE):
                name = f"{prefix}_{suffix}_login"
            try:
                _ensure_login_role(connection, name=name, group=group, password=password)
            except psycopg.errors.InsufficientPrivilege as error:
                raise RolesNotAllowed(
                    f"{connection.info.user} may not make the role {name} in {group}: {error.diag.message_primary}. "
                    f"Give it CREATEROLE and {group} WITH ADMIN OPTION, or make the role by hand"
                ) from error
            dsns.append(make_conninfo(owner_dsn, user=name, password=password))
    return dsns[0], dsns[1]


def _ensure_login_role(connection: psycopg.Connection, *, name: str, group: str, password: str) -> None:
    # Hashed here: a password in a statement would stand in Postgres's log.
    verifier = connection.pgconn.encrypt_password(password.encode(), name.encode(), b"scram-sha-256").decode()
    values: dict[str, sql.Composable] = {
        "name": sql.Identifier(name),
        "group": sql.Identifier(group),
        "verifier": sql.Literal(verifier),
    }
    with connection.transaction():
        # Concurrent calls for one server take turns: roles belong to all databases, the lock to one, but it is cheap.
        connection.execute("select pg_advisory_xact_lock(hashtextextended('login roles', 0))")
        exists = connection.execute("select from pg_roles where rolname = %s", (name,)).fetchone() is not None
        verb = sql.SQL("ALTER" if exists else "CREATE")
        connection.execute(sql.SQL("{verb} ROLE {name} LOGIN PASSWORD {verifier}").format(verb=verb, **values))
        connection.execute(sql.SQL("GRANT {group} TO {name}").format(**values))


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    return config
