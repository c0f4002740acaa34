"""Databases for tests: one Postgres per run, one migrated template, and a copy of it for each test that asks."""

import os
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from server.dev import postgres
from server.storage.migrate import ensure_login_roles, migrate

# A role per run and none per database, for roles belong to the whole server.
_PASSWORD = "only-in-tests"


@dataclass(frozen=True, slots=True)
class Dsns:
    """How each role reaches one database. The owner made the tables."""

    owner: str
    server: str
    operator: str

    @property
    def name(self) -> str:
        return str(conninfo_to_dict(self.owner)["dbname"])

    def of(self, database: str) -> "Dsns":
        """The same roles in another database."""
        return Dsns(*(make_conninfo(dsn, dbname=database) for dsn in (self.owner, self.server, self.operator)))


@dataclass(frozen=True, slots=True)
class Template:
    """A migrated database that is copied, and the superuser's DSN of its server."""

    admin: str
    dsns: Dsns

    @contextmanager
    def copy(self) -> Iterator[Dsns]:
        """A database of one's own; it is dropped at the end, whoever is connected."""
        name = f"t_{os.getpid()}_{secrets.token_hex(4)}"
        _run(self.admin, "CREATE DATABASE {} TEMPLATE {}", name, self.dsns.name)
        try:
            yield self.dsns.of(name)
        finally:
            _run(self.admin, "DROP DATABASE {} WITH (FORCE)", name)

    def encoded(self) -> str:
        """As text, for the workers of a parallel run."""
        return "\n".join((self.admin, self.dsns.owner, self.dsns.server, self.dsns.operator))

    @classmethod
    def decoded(cls, text: str) -> "Template":
        admin, *dsns = text.split("\n")
        return cls(admin, Dsns(*dsns))


@contextmanager
def running_template() -> Iterator[Template]:
    """A template on a new Postgres, or on that of TEST_DATABASE_URL (a superuser's), removed at the end."""
    if given := os.environ.get("TEST_DATABASE_URL"):
        yield from _template(given)
        return
    with tempfile.TemporaryDirectory(prefix="scorm-test-postgres-") as place:
        Path(place).chmod(0o755)
        data_dir = Path(place) / "data"
        with postgres.start(data_dir, durable=False, settings={"max_connections": "300"}) as server:
            yield from _template(server.dsn)
        postgres.remove(data_dir)


def _template(admin: str) -> Iterator[Template]:
    name = f"template_{secrets.token_hex(4)}"
    _run(admin, "CREATE DATABASE {}", name)
    owner = make_conninfo(admin, dbname=name)
    try:
        migrate(owner)
        dsns = ensure_login_roles(owner, server_password=_PASSWORD, operator_password=_PASSWORD)
        yield Template(admin, Dsns(owner, *dsns))
    finally:
        _run(admin, "DROP DATABASE IF EXISTS {} WITH (FORCE)", name)
        for role in ("server", "operator"):
            _run(admin, "DROP ROLE IF EXISTS {}", f"{name}_{role}")


def _run(dsn: str, command: str, *names: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(sql.SQL(command).format(*map(sql.Identifier, names)))
