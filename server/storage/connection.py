"""Runs statements on Postgres, as one tenant or as the operator. Nothing else may touch `app.tenants`.

A read is one pipeline in autocommit, hence one round trip and one implicit transaction: first the tenants are set for
that transaction, then the prepared statements run. A write is one transaction that starts the same way, BEGIN and the
first statement included in one round trip. `set_config(…, true)` ends with the transaction, so that a pooled
connection never carries a tenant to its next user.

Nothing is retried but a read or the first round trip of a write, and these only where the connection turned out to be
lost (Postgres restarted): nothing can have been committed then. A deadlock or a serialization failure is Unavailable.
A write whose COMMIT got no answer is Unavailable too, and may have happened.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar, overload
from uuid import UUID

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.pq import TransactionStatus
from psycopg.types.numeric import Int8Dumper
from psycopg_pool import AsyncConnectionPool, PoolTimeout
from psycopg_pool.errors import PoolClosed

from server.domain.errors import DatabaseFailed, DomainError, Unavailable
from server.services.ports import Query, Transaction
from server.storage.sql import SqlQuery, as_sql

T = TypeVar("T")
A = TypeVar("A")
B = TypeVar("B")

_Connection = psycopg.AsyncConnection[tuple[Any, ...]]
_Cursor = psycopg.AsyncCursor[tuple[Any, ...]]
_Step = tuple[bytes, tuple[object, ...]]

_BEGIN: _Step = (b"BEGIN", ())
_SET_TENANTS = b"select set_config('app.tenants', $1, true)"

POOL_TIMEOUT_SECONDS = 5.0
STATEMENT_TIMEOUT_MS = 10_000
PING_SECONDS = 1.0


class ConstraintViolated(DatabaseFailed):
    """A constraint of `tables.py` refused a row. `constraint` is its name."""

    def __init__(self, constraint: str) -> None:
        super().__init__()
        self.constraint = constraint


@dataclass(slots=True)
class Traffic:
    """What went to Postgres so far, for tests that assert it: statements of stores, and round trips."""

    statements: int = 0
    round_trips: int = 0


class _Connections:
    """A pool, and the running of pipelines on it."""

    def __init__(self, dsn: str, *, size: int, application_name: str) -> None:
        self.traffic = Traffic()
        self._size = size
        self._pool: AsyncConnectionPool[_Connection] = AsyncConnectionPool(
            dsn,
            connection_class=psycopg.AsyncConnection[tuple[Any, ...]],
            kwargs=_connection_settings(dsn, application_name),
            min_size=size,
            max_size=size,
            open=False,
            timeout=POOL_TIMEOUT_SECONDS,
            # Give up early on one attempt, for the next caller starts another: the pauses between attempts double.
            reconnect_timeout=POOL_TIMEOUT_SECONDS,
            configure=_configure,
            name=application_name,
        )

    async def open(self) -> None:
        await self._pool.open()

    async def close(self) -> None:
        await self._pool.close()

    async def start(self, steps: Sequence[_Step]) -> tuple[_Connection, list[_Cursor]]:
        """Runs `steps` as one pipeline on a connection and leaves it taken: give it back with `give`.

        A pooled connection that turns out to be dead is replaced by the next, until all of the pool were tried.
        """
        for attempt in range(self._size + 1):
            connection = await self._take()
            try:
                return connection, await self.run(connection, steps)
            except psycopg.Error as error:
                lost = _is_lost(connection, error)
                if lost:
                    await connection.close()
                await self.give(connection)
                if not lost or attempt == self._size:
                    raise _as_domain_error(error) from error
            except BaseException:
                await self.give(connection)
                raise
        raise Unavailable

    async def run(self, connection: _Connection, steps: Sequence[_Step]) -> list[_Cursor]:
        """Runs `steps` in one round trip."""
        self.traffic.round_trips += 1
        cursors = []
        async with connection.pipeline():
            for text, parameters in steps:
                cursor = connection.cursor(binary=True)
                cursors.append(cursor)
                await cursor.execute(text, parameters, prepare=text is not _BEGIN[0])
        return cursors

    async def give(self, connection: _Connection) -> None:
        await self._pool.putconn(connection)

    async def _take(self) -> _Connection:
        try:
            return await self._pool.getconn()
        except (PoolTimeout, PoolClosed) as error:
            raise Unavailable(retry_after_seconds=1) from error

    async def ping(self) -> bool:
        try:
            async with asyncio.timeout(PING_SECONDS):
                connection, _ = await self.start([(b"select 1", ())])
                await self.give(connection)
        except (TimeoutError, DomainError):
            return False
        return True

    async def read(self, prefix: Sequence[_Step], queries: Sequence[SqlQuery[Any]]) -> list[Any]:
        """One pipeline of `prefix` and `queries`; the values of the latter."""
        self.traffic.statements += len(queries)
        connection, cursors = await self.start([*prefix, *map(_step, queries)])
        try:
            return [await _value(query, cursor) for query, cursor in zip(queries, cursors[len(prefix) :], strict=True)]
        finally:
            await self.give(connection)

    @asynccontextmanager
    async def write(self, prefix: Sequence[_Step]) -> AsyncIterator[Transaction]:
        """A transaction that begins with `prefix`; a connection is taken when its first query runs."""
        transaction = _PostgresTransaction(self, prefix)
        try:
            yield transaction
            await transaction.commit()
        finally:
            await transaction.release()


class _PostgresTransaction:
    """Keeps `server.services.ports.Transaction`."""

    def __init__(self, connections: _Connections, prefix: Sequence[_Step]) -> None:
        self._connections = connections
        self._opening = [_BEGIN, *prefix]
        self._connection: _Connection | None = None

    async def run(self, query: Query[T]) -> T:
        sql = as_sql(query)
        self._connections.traffic.statements += 1
        if self._connection is None:
            self._connection, cursors = await self._connections.start([*self._opening, _step(sql)])
        else:
            try:
                cursors = await self._connections.run(self._connection, [_step(sql)])
            except psycopg.Error as error:
                raise _as_domain_error(error) from error
        return await _value(sql, cursors[-1])

    async def commit(self) -> None:
        """Commits what ran. Raises DatabaseFailed where a query had failed and its error was swallowed."""
        if self._connection is None:
            return
        if self._connection.info.transaction_status != TransactionStatus.INTRANS:
            raise DatabaseFailed
        self._connections.traffic.round_trips += 1
        try:
            await self._connection.commit()
        except psycopg.Error as error:
            raise _as_domain_error(error) from error

    async def release(self) -> None:
        """Gives the connection back, rolled back unless it was committed."""
        if self._connection is None:
            return
        connection, self._connection = self._connection, None
        try:
            if connection.info.transaction_status in (TransactionStatus.INTRANS, TransactionStatus.INERROR):
                await connection.rollback()
        except psycopg.Error:
            await connection.close()
        finally:
            await self._connections.give(connection)


class PostgresDatabase:
    """Postgres as the role `scorm_server` sees it. Keeps `server.services.ports.Database`."""

    def __init__(self, dsn: str, *, pool_size: int = 8) -> None:
        self._connections = _Connections(dsn, size=pool_size, application_name="scorm-server")

    @property
    def traffic(self) -> Traffic:
        """Counters, for tests."""
        return self._connections.traffic

    async def open(self) -> None:
        """Starts connecting, without waiting for Postgres."""
        await self._connections.open()

    async def close(self) -> None:
        """Closes all connections."""
        await self._connections.close()

    @overload
    async def read(self, tenant_id: UUID, query: Query[A], /) -> A: ...
    @overload
    async def read(self, tenant_id: UUID, query: Query[A], second: Query[B], /) -> tuple[A, B]: ...
    async def read(self, tenant_id: UUID, query: Query[Any], second: Query[Any] | None = None, /) -> Any:
        """Runs one or two queries in one round trip, seeing this tenant only."""
        queries = [as_sql(query)] if second is None else [as_sql(query), as_sql(second)]
        values = await self._connections.read([_tenants((tenant_id,))], queries)
        return values[0] if second is None else tuple(values)

    def write(self, *tenant_ids: UUID) -> AbstractAsyncContextManager[Transaction]:
        """Opens a transaction that sees exactly these tenants. Leaving it by an exception rolls it back."""
        return self._connections.write([_tenants(tenant_ids)])

    async def ping(self) -> bool:
        """Whether Postgres answers a query within a second. Never raises."""
        return await self._connections.ping()


class PostgresOperatorDatabase:
    """Postgres as the role `scorm_operator` sees it: every tenant. Keeps `server.services.ports.OperatorDatabase`."""

    def __init__(self, dsn: str, *, pool_size: int = 2) -> None:
        self._connections = _Connections(dsn, size=pool_size, application_name="scorm-operator")

    @property
    def traffic(self) -> Traffic:
        """Counters, for tests."""
        return self._connections.traffic

    async def open(self) -> None:
        """Starts connecting, without waiting for Postgres."""
        await self._connections.open()

    async def close(self) -> None:
        """Closes all connections."""
        await self._connections.close()

    @overload
    async def read(self, query: Query[A], /) -> A: ...
    @overload
    async def read(self, query: Query[A], second: Query[B], /) -> tuple[A, B]: ...
    async def read(self, query: Query[Any], second: Query[Any] | None = None, /) -> Any:
        """Runs one or two queries in one round trip, seeing every tenant."""
        queries = [as_sql(query)] if second is None else [as_sql(query), as_sql(second)]
        values = await self._connections.read([], queries)
        return values[0] if second is None else tuple(values)

    def write(self) -> AbstractAsyncContextManager[Transaction]:
        """Opens a transaction over all tenants."""
        return self._connections.write([])

    async def ping(self) -> bool:
        """Whether Postgres answers a query within a second. Never raises."""
        return await self._connections.ping()


def _connection_settings(dsn: str, application_name: str) -> dict[str, Any]:
    """Keyword arguments of every connection; what the DSN itself says in `options` comes after ours and wins."""
    ours = (
        f"-c statement_timeout={STATEMENT_TIMEOUT_MS} -c idle_in_transaction_session_timeout=30000 "
        "-c timezone=UTC -c search_path=public"
    )
    return {
        "autocommit": True,
        "cursor_factory": psycopg.AsyncRawCursor,
        "options": f"{ours} {conninfo_to_dict(dsn).get('options') or ''}".rstrip(),
        "application_name": application_name,
        "connect_timeout": 5,
        "keepalives_idle": 30,
        "tcp_user_timeout": 15_000,
    }


async def _configure(connection: _Connection) -> None:
    # One type for every int: else each magnitude is prepared as a statement of its own.
    connection.adapters.register_dumper(int, Int8Dumper)
    connection.prepared_max = 500


def _tenants(tenant_ids: Sequence[UUID]) -> _Step:
    return _SET_TENANTS, ("{" + ",".join(map(str, tenant_ids)) + "}",)


def _step(query: SqlQuery[Any]) -> _Step:
    return query.statement.text, query.parameters


async def _value(query: SqlQuery[T], cursor: _Cursor) -> T:
    return query.statement.read(await cursor.fetchall() if query.statement.returns_rows else ())


def _is_lost(connection: _Connection, error: psycopg.Error) -> bool:
    """Whether the connection is beyond use: 57P01 to 57P05 are the last words of a backend that was ended."""
    return connection.broken or connection.closed or (error.sqlstate or "").startswith("57P")


# Classes of SQLSTATE that pass: connection, transaction rollback, resources, lock not available, intervention (57014
# is the statement timeout).
_PASSING = ("08", "40", "53", "55P03", "57")


def _as_domain_error(error: psycopg.Error) -> DomainError:
    if isinstance(error, psycopg.IntegrityError) and error.diag.constraint_name:
        return ConstraintViolated(error.diag.constraint_name)
    no_answer = isinstance(error, psycopg.OperationalError) and error.sqlstate is None
    if no_answer or (error.sqlstate or "").startswith(_PASSING):
        return Unavailable(retry_after_seconds=1)
    return DatabaseFailed()
