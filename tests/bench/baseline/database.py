"""Postgres of the baseline: pipelines of psycopg on pooled connections, with the tenant set first."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import psycopg
from psycopg.types.numeric import Int8Dumper
from psycopg_pool import AsyncConnectionPool

from server.services.ports import Query
from server.storage import arrays
from server.storage.sql import as_sql

SET_TENANT = b"select set_config('app.tenants', $1, true)"

Connection = psycopg.AsyncConnection[tuple[Any, ...]]


async def configure(connection: Connection) -> None:
    # As ours: else each magnitude of a number is prepared as a statement of its own.
    connection.adapters.register_dumper(int, Int8Dumper)
    arrays.register(connection.adapters)


pool: AsyncConnectionPool[Connection] = AsyncConnectionPool(
    os.environ["DATABASE_URL"],
    connection_class=psycopg.AsyncConnection[tuple[Any, ...]],
    kwargs={"autocommit": True, "cursor_factory": psycopg.AsyncRawCursor},
    min_size=8,
    max_size=8,
    open=False,
    configure=configure,
)


async def read(tenant_id: UUID, query: bytes, parameters: tuple[object, ...]) -> tuple[Any, ...] | None:
    async with pool.connection() as connection, connection.pipeline():
        await connection.cursor().execute(SET_TENANT, (f"{{{tenant_id}}}",), prepare=True)
        cursor = connection.cursor(binary=True)
        await cursor.execute(query, parameters, prepare=True)
        return await cursor.fetchone()


async def run(connection: Connection, *queries: Query[Any]) -> list[Any]:
    """The values of our own queries, which say what to ask and what rows mean; psycopg's cursors ask it."""
    asked = []
    for query in map(as_sql, queries):
        cursor = connection.cursor(binary=True)
        await cursor.execute(query.statement.text, query.parameters, prepare=True)
        asked.append((query.statement, cursor))
    return [one.read(await cursor.fetchall() if one.returns_rows else ()) for one, cursor in asked]


async def read_all(tenant_id: UUID, *queries: Query[Any]) -> list[Any]:
    """One pipeline."""
    async with pool.connection() as connection, connection.pipeline():
        await connection.cursor().execute(SET_TENANT, (f"{{{tenant_id}}}",), prepare=True)
        return await run(connection, *queries)


@asynccontextmanager
async def writing(tenant_id: UUID) -> AsyncIterator[Connection]:
    """A transaction of pipelines: the caller's first one goes with BEGIN, its last one with COMMIT."""
    async with pool.connection() as connection, connection.pipeline():
        await connection.execute(b"BEGIN", prepare=True)
        try:
            await connection.cursor().execute(SET_TENANT, (f"{{{tenant_id}}}",), prepare=True)
            yield connection
            await connection.execute(b"COMMIT", prepare=True)
        except BaseException:
            await connection.execute(b"ROLLBACK")
            raise
