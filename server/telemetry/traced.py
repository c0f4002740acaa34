"""Ports of the services with a span around each use. Outside of a trace that is kept they make none."""

import contextlib
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from typing import Any, BinaryIO, TypeVar, overload
from uuid import UUID

from opentelemetry import trace
from opentelemetry.trace import SpanKind, Tracer

from server.services.ports import BlobInfo, Blobs, Database, Query, Transaction
from server.services.transfer import LARGE_BYTES
from server.storage.sql import as_sql

A = TypeVar("A")
B = TypeVar("B")
T = TypeVar("T")


def _span(tracer: Tracer, name: str, **attributes: str) -> AbstractContextManager[Any]:
    if not trace.get_current_span().is_recording():
        return contextlib.nullcontext()
    return tracer.start_as_current_span(
        name, kind=SpanKind.CLIENT, attributes=attributes, record_exception=False, set_status_on_exception=False
    )


def _statement(query: Query[Any]) -> str:
    return as_sql(query).statement.name


class TracedDatabase:
    """Keeps `server.services.ports.Database`. Statements are told by their names."""

    def __init__(self, database: Database, tracer: Tracer) -> None:
        self._database = database
        self._tracer = tracer

    @overload
    async def read(self, tenant_id: UUID, query: Query[A], /) -> A: ...
    @overload
    async def read(self, tenant_id: UUID, query: Query[A], second: Query[B], /) -> tuple[A, B]: ...
    async def read(self, tenant_id: UUID, query: Query[Any], second: Query[Any] | None = None, /) -> Any:
        """See `Database`."""
        names = _statement(query) if second is None else f"{_statement(query)} {_statement(second)}"
        with _span(self._tracer, "postgres read", **{"db.system.name": "postgresql", "db.operation.name": names}):
            if second is None:
                return await self._database.read(tenant_id, query)
            return await self._database.read(tenant_id, query, second)

    def write(self, *tenant_ids: UUID) -> AbstractAsyncContextManager[Transaction]:
        """See `Database`."""
        return self._write(*tenant_ids)

    @contextlib.asynccontextmanager
    async def _write(self, *tenant_ids: UUID) -> AsyncIterator[Transaction]:
        with _span(self._tracer, "postgres write", **{"db.system.name": "postgresql"}):
            async with self._database.write(*tenant_ids) as transaction:
                yield _TracedTransaction(transaction, self._tracer)

    async def ping(self) -> bool:
        """See `Database`."""
        with _span(self._tracer, "postgres ping", **{"db.system.name": "postgresql"}):
            return await self._database.ping()


class _TracedTransaction:
    def __init__(self, transaction: Transaction, tracer: Tracer) -> None:
        self._transaction = transaction
        self._tracer = tracer

    async def run(self, query: Query[T]) -> T:
        named = {"db.system.name": "postgresql", "db.operation.name": _statement(query)}
        with _span(self._tracer, "postgres statement", **named):
            return await self._transaction.run(query)

    async def run_all(self, *queries: Query[Any]) -> tuple[Any, ...]:
        with self._statements(queries):
            return await self._transaction.run_all(*queries)

    async def finish(self, *queries: Query[Any]) -> None:
        with self._statements(queries):
            await self._transaction.finish(*queries)

    def _statements(self, queries: Sequence[Query[Any]]) -> AbstractContextManager[Any]:
        names = " ".join(map(_statement, queries))
        return _span(self._tracer, "postgres statement", **{"db.system.name": "postgresql", "db.operation.name": names})


class TracedBlobs:
    """Keeps `server.services.ports.Blobs`. Small files make no span: thousands of them would hide the others."""

    def __init__(self, blobs: Blobs, tracer: Tracer) -> None:
        self._blobs = blobs
        self._tracer = tracer

    def upload(
        self, name: str, source: BinaryIO, *, size_bytes: int | None, content_type: str, cache_control: str
    ) -> None:
        """See `Blobs`."""
        small = size_bytes is not None and size_bytes <= LARGE_BYTES
        with contextlib.nullcontext() if small else _span(self._tracer, "storage upload"):
            self._blobs.upload(
                name, source, size_bytes=size_bytes, content_type=content_type, cache_control=cache_control
            )

    def download(self, name: str, into: BinaryIO) -> None:
        """See `Blobs`."""
        with _span(self._tracer, "storage download"):
            self._blobs.download(name, into)

    def list(self, prefix: str) -> Iterator[BlobInfo]:
        """See `Blobs`."""
        return self._blobs.list(prefix)

    def delete_prefix(self, prefix: str) -> int:
        """See `Blobs`."""
        with _span(self._tracer, "storage delete"):
            return self._blobs.delete_prefix(prefix)

    def ping(self) -> bool:
        """See `Blobs`."""
        return self._blobs.ping()
