"""The database of one copy: the embedded Postgres as a child, its database, schema and roles."""

import asyncio
from pathlib import Path

import psycopg
from psycopg import sql

from server.dev import postgres
from server.dev.children import StartFailed, describe_exit
from server.dev.postgres import Postgres, PostgresFailed

DATABASE = "scorm"
POLL_SECONDS = 0.1


class PostgresChild:
    """The embedded Postgres, on the same port after every restart."""

    name = "postgres"

    def __init__(self, data_dir: Path, *, durable: bool) -> None:
        self._data_dir = data_dir
        self._durable = durable
        self._running: Postgres | None = None
        self._port = 0

    @property
    def pid(self) -> int | None:
        """Of the postmaster."""
        running = self._running
        return running.pid if running and running.poll() is None else None

    @property
    def owner_dsn(self) -> str:
        """To our database, as the superuser. Only once it was launched."""
        assert self._running is not None
        return self._running.dsn_of(DATABASE)

    async def launch(self) -> None:
        """Starts Postgres and makes the database if there is none.

        Blocks the event loop for about a second: the kernel ends Postgres with the thread that started it, so that
        has to be the main one.
        """
        if self._running is not None:
            self._running.stop()  # lets go of the lock
        try:
            self._running = postgres.start(self._data_dir, port=self._port, durable=self._durable)
        except PostgresFailed as failure:
            raise StartFailed(str(failure)) from None
        self._port = self._running.port
        _ensure_database(self._running)

    async def exited(self) -> str:
        """Waits for the end."""
        if self._running is None:
            return "was never started"
        while True:
            status = self._running.poll()
            if status is not None:
                return describe_exit(status)
            await asyncio.sleep(POLL_SECONDS)

    async def stop(self, *, hurry: asyncio.Event) -> bool:
        """A fast shutdown; `hurry` cannot make it faster without a recovery at the next start."""
        if self._running is not None:
            await asyncio.to_thread(self._running.stop)
        return True


def _ensure_database(running: Postgres) -> None:
    with psycopg.connect(running.dsn, autocommit=True) as connection:
        found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (DATABASE,)).fetchone()
        if found is None:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))
