"""Pipelines of prepared statements on pooled connections, one round trip each.

Nothing is retried but a read or the first round trip of a write, and these only where the connection turned out to be
lost (Postgres restarted): nothing can have been committed then. A deadlock or a serialization failure is Unavailable.
A write whose COMMIT got no answer is Unavailable too, and may have happened.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.pq import TransactionStatus
from psycopg.types.numeric import Int8Dumper
from psycopg_pool import AsyncConnectionPool, PoolTimeout
from psycopg_pool.errors import PoolClosed

from server.domain.errors import DatabaseFailed, Unavailable
from server.services.ports import Query, Transaction
from server.storage import arrays
from server.storage.failures import as_domain_error, is_lost
from server.storage.round_trip import Answer, Connection, Step
from server.storage.sql import SqlQuery, as_sql

T = TypeVar("T")

_BEGIN: Step = (b"BEGIN", ())
_COMMIT: Step = (b"COMMIT", ())

STATEMENT_TIMEOUT_MS = 10_000


@dataclass(slots=True)
class Traffic:
    """What went to Postgres so far, which tests assert and operators watch: statements of stores, and round trips."""

    statements: int = 0
    round_trips: int = 0


class Connections:
    """A pool, and the running of pipelines on it. Who waits for a connection gives up after `timeout_seconds`."""

    def __init__(self, dsn: str, *, size: int, application_name: str, timeout_seconds: float) -> None:
        self.traffic = Traffic()
        self._size = size
        self._pool: AsyncConnectionPool[Connection] = AsyncConnectionPool(
            dsn,
            connection_class=Connection,
            kwargs=_connection_settings(dsn, application_name),
            min_size=size,
            max_size=size,
            open=False,
            timeout=timeout_seconds,
            # Give up early on one attempt, for the next caller starts another: the pauses between attempts double.
            reconnect_timeout=timeout_seconds,
            configure=_configure,
            # With this the pool takes connections back in tasks of its own, which no caller's cancellation meets.
            reset=_nothing,
            name=application_name,
        )

    async def open(self) -> None:
        await self._pool.open()

    async def close(self) -> None:
        await self._pool.close()

    @property
    def pool(self) -> Mapping[str, int]:
        return self._pool.get_stats()

    async def start(self, steps: Sequence[Step]) -> tuple[Connection, list[Answer]]:
        """Runs `steps` as one pipeline on a connection and leaves it taken: give it back with `give`.

        A pooled connection that turns out to be dead is replaced by the next, until all of the pool were tried.
        """
        for attempt in range(self._size + 1):
            connection = await self._take()
            try:
                return connection, await self.run(connection, steps)
            except psycopg.Error as error:
                lost = is_lost(connection, error)
                if lost:
                    await connection.close()
                await self.give(connection)
                if not lost or attempt == self._size:
                    raise as_domain_error(error) from error
            except BaseException:
                await self.give(connection)
                raise
        raise Unavailable

    async def run(self, connection: Connection, steps: Sequence[Step]) -> list[Answer]:
        """Runs `steps` in one round trip."""
        self.traffic.round_trips += 1
        return await connection.exchange(steps)

    async def give(self, connection: Connection) -> None:
        await self._pool.putconn(connection)

    async def _take(self) -> Connection:
        task = asyncio.current_task()
        cancelled = task.cancelling() if task else 0
        try:
            connection = await self._pool.getconn()
        except (PoolTimeout, PoolClosed) as error:
            raise Unavailable(retry_after_seconds=1) from error
        # The pool waits with asyncio.wait_for, which before Python 3.12 loses a cancellation that meets the result.
        if task and task.cancelling() > cancelled:
            await self.give(connection)
            raise asyncio.CancelledError
        return connection

    async def read(self, prefix: Sequence[Step], queries: Sequence[SqlQuery[Any]]) -> list[Any]:
        """One pipeline of `prefix` and `queries`; the values of the latter."""
        self.traffic.statements += len(queries)
        connection, answers = await self.start([*prefix, *map(_step, queries)])
        try:
            return [_value(query, answer) for query, answer in zip(queries, answers[len(prefix) :], strict=True)]
        finally:
            await self.give(connection)

    @asynccontextmanager
    async def write(self, prefix: Sequence[Step]) -> AsyncIterator[Transaction]:
        """A transaction that begins with `prefix`; a connection is taken when its first query runs."""
        transaction = _PostgresTransaction(self, prefix)
        try:
            yield transaction
            await transaction.commit()
        finally:
            await transaction.release()


class _PostgresTransaction:
    """Keeps `server.services.ports.Transaction`."""

    def __init__(self, connections: Connections, prefix: Sequence[Step]) -> None:
        self._connections = connections
        self._opening = [_BEGIN, *prefix]
        self._connection: Connection | None = None
        self._is_finished = False

    async def run(self, query: Query[T]) -> T:
        (value,) = await self.run_all(query)
        return cast(T, value)

    async def run_all(self, *queries: Query[Any]) -> tuple[Any, ...]:
        sql = [as_sql(query) for query in queries]
        self._connections.traffic.statements += len(sql)
        steps = list(map(_step, sql))
        if self._connection is None:
            self._connection, answers = await self._connections.start([*self._opening, *steps])
        else:
            answers = await self._exchange(self._connection, steps)
        told = answers[len(answers) - len(sql) :]
        return tuple(_value(query, answer) for query, answer in zip(sql, told, strict=True))

    async def finish(self, *queries: Query[Any]) -> None:
        if self._connection is None:
            # The first round trip may be tried again on another connection: not with a COMMIT in it.
            await self.run_all(*queries)
            await self.commit()
            return
        sql = [as_sql(query) for query in queries]
        self._connections.traffic.statements += len(sql)
        if self._connection.info.transaction_status != TransactionStatus.INTRANS:
            raise DatabaseFailed
        await self._exchange(self._connection, [*map(_step, sql), _COMMIT])
        self._is_finished = True

    async def _exchange(self, connection: Connection, steps: Sequence[Step]) -> list[Answer]:
        try:
            return await self._connections.run(connection, steps)
        except psycopg.Error as error:
            raise as_domain_error(error) from error

    async def commit(self) -> None:
        """Commits what ran. Raises DatabaseFailed where a query had failed and its error was swallowed."""
        if self._connection is None or self._is_finished:
            return
        if self._connection.info.transaction_status != TransactionStatus.INTRANS:
            raise DatabaseFailed
        self._connections.traffic.round_trips += 1
        try:
            await self._connection.commit()
        except psycopg.Error as error:
            raise as_domain_error(error) from error
        self._is_finished = True

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


def _connection_settings(dsn: str, application_name: str) -> dict[str, Any]:
    """Keyword arguments of every connection; what the DSN itself says in `options` comes after ours and wins."""
    ours = (
        f"-c statement_timeout={STATEMENT_TIMEOUT_MS} -c idle_in_transaction_session_timeout=30000 "
        "-c timezone=UTC -c search_path=public"
    )
    return {
        "autocommit": True,
        "options": f"{ours} {conninfo_to_dict(dsn).get('options') or ''}".rstrip(),
        "application_name": application_name,
        "connect_timeout": 5,
        "keepalives_idle": 30,
        "tcp_user_timeout": 15_000,
    }


async def _configure(connection: Connection) -> None:
    # One type for every int: else each magnitude is prepared as a statement of its own.
    connection.adapters.register_dumper(int, Int8Dumper)
    arrays.register(connection.adapters)


async def _nothing(_connection: Connection) -> None:
    """What there is to reset, the pool has rolled back."""


def _step(query: SqlQuery[Any]) -> Step:
    return query.statement.text, query.parameters


def _value(query: SqlQuery[T], answer: Answer) -> T:
    return query.statement.read(answer.rows() if query.statement.returns_rows else ())
