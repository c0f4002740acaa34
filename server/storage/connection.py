"""Postgres as each of its roles sees it. Nothing else may touch `app.tenants`.

A read is one pipeline in autocommit, hence one round trip and one implicit transaction: first the tenants are set for
that transaction, then the prepared statements run. A write is one transaction that starts the same way, BEGIN and the
first statement included in one round trip. `set_config(…, true)` ends with the transaction, so that a pooled
connection never carries a tenant to its next user.
"""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, TypeVar, overload
from uuid import UUID

from server.domain.errors import DomainError
from server.services.ports import Query, Transaction
from server.storage.pipelines import Connections, Traffic
from server.storage.round_trip import Step
from server.storage.sql import as_sql

A = TypeVar("A")
B = TypeVar("B")

_SET_TENANTS = b"select set_config('app.tenants', $1, true)"
_ASKED_BY_PING: Step = (b"select 1", ())

POOL_TIMEOUT_SECONDS = 5.0
PING_SECONDS = 1.0


class Postgres:
    """What both roles have in common."""

    def __init__(self, dsn: str, *, pool_size: int, application_name: str) -> None:
        self._connections = Connections(
            dsn, size=pool_size, application_name=application_name, timeout_seconds=POOL_TIMEOUT_SECONDS
        )

    @property
    def traffic(self) -> Traffic:
        """Counters, for tests and operators."""
        return self._connections.traffic

    @property
    def pool(self) -> Mapping[str, int]:
        """What the pool counts, as psycopg_pool names it; a counter that is still 0 may be absent."""
        return self._connections.pool

    async def open(self) -> None:
        """Starts connecting, without waiting for Postgres."""
        await self._connections.open()

    async def close(self) -> None:
        """Closes all connections."""
        await self._connections.close()

    async def ping(self) -> bool:
        """Whether Postgres answers a query within a second. Never raises."""
        try:
            async with asyncio.timeout(PING_SECONDS):
                connection, _ = await self._connections.start([_ASKED_BY_PING])
                await self._connections.give(connection)
        except (TimeoutError, DomainError):
            return False
        return True

    async def _read(self, prefix: Sequence[Step], query: Query[Any], second: Query[Any] | None) -> Any:
        """Runs one or two queries in one round trip: the value of the one, or those of both."""
        queries = [as_sql(query)] if second is None else [as_sql(query), as_sql(second)]
        values = await self._connections.read(prefix, queries)
        return values[0] if second is None else tuple(values)


class PostgresDatabase(Postgres):
    """Postgres as the role `scorm_server` sees it. Keeps `server.services.ports.Database`."""

    def __init__(self, dsn: str, *, pool_size: int = 8) -> None:
        super().__init__(dsn, pool_size=pool_size, application_name="scorm-server")

    @overload
    async def read(self, tenant_id: UUID, query: Query[A], /) -> A: ...
    @overload
    async def read(self, tenant_id: UUID, query: Query[A], second: Query[B], /) -> tuple[A, B]: ...
    async def read(self, tenant_id: UUID, query: Query[Any], second: Query[Any] | None = None, /) -> Any:
        """Runs one or two queries in one round trip, seeing this tenant only."""
        return await self._read([_tenants((tenant_id,))], query, second)

    def write(self, *tenant_ids: UUID) -> AbstractAsyncContextManager[Transaction]:
        """Opens a transaction that sees exactly these tenants. Leaving it by an exception rolls it back."""
        return self._connections.write([_tenants(tenant_ids)])


class PostgresOperatorDatabase(Postgres):
    """Postgres as the role `scorm_operator` sees it: every tenant. Keeps `server.services.ports.OperatorDatabase`."""

    def __init__(self, dsn: str, *, pool_size: int = 2) -> None:
        super().__init__(dsn, pool_size=pool_size, application_name="scorm-operator")

    @overload
    async def read(self, query: Query[A], /) -> A: ...
    @overload
    async def read(self, query: Query[A], second: Query[B], /) -> tuple[A, B]: ...
    async def read(self, query: Query[Any], second: Query[Any] | None = None, /) -> Any:
        """Runs one or two queries in one round trip, seeing every tenant."""
        return await self._read([], query, second)

    def write(self) -> AbstractAsyncContextManager[Transaction]:
        """Opens a transaction over all tenants."""
        return self._connections.write([])


def _tenants(tenant_ids: Sequence[UUID]) -> Step:
    return _SET_TENANTS, ("{" + ",".join(map(str, tenant_ids)) + "}",)
