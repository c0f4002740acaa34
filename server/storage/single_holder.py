"""Work that one process of all may do at a time, decided by an advisory lock of Postgres."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import psycopg
from sqlalchemy import Text, func, select

from server.storage.sql import SqlQuery, param, statement

RETRY_SECONDS = 5.0
CHECK_SECONDS = 5.0

_NOT_DATA = "an advisory lock, no data of anybody"
_TRY_LOCK = statement(
    "single_holder.try_lock",
    select(func.pg_try_advisory_lock(func.hashtextextended(param("name", Text()), 0))),
    lambda rows: bool(rows[0][0]),
    across_tenants=_NOT_DATA,
)
_STILL_THERE = statement("single_holder.still_there", select(1), lambda rows: bool(rows), across_tenants=_NOT_DATA)


async def run_as_single_holder(
    dsn: str,
    name: str,
    work: Callable[[], Awaitable[None]],
    *,
    retry_seconds: float = RETRY_SECONDS,
    check_seconds: float = CHECK_SECONDS,
) -> None:
    """Runs `work` while this process alone holds the lock `name`; until cancelled, or until `work` returns or raises.

    The lock belongs to a connection of its own. If that is lost, `work` is cancelled and the lock sought again. For a
    moment (until the loss is noticed, `check_seconds` at most) two holders are possible: `work` must not mind.
    Not through a pooler in transaction mode, whose sessions are not ours.
    """
    while True:
        try:
            if await _hold(dsn, name, work, check_seconds):
                return
        except psycopg.OperationalError:
            pass
        await asyncio.sleep(retry_seconds)


async def _hold(dsn: str, name: str, work: Callable[[], Awaitable[None]], check_seconds: float) -> bool:
    """True once the work is done, False if another holds the lock. Raises OperationalError if the lock was lost."""
    connection = await psycopg.AsyncConnection.connect(
        dsn, autocommit=True, cursor_factory=psycopg.AsyncRawCursor, application_name=f"scorm-{name}"[:63]
    )
    try:
        if not await _run(connection, _TRY_LOCK.bind(name=name)):
            return False
        working = asyncio.ensure_future(work())
        try:
            while not (await asyncio.wait([working], timeout=check_seconds))[0]:
                async with asyncio.timeout(check_seconds):
                    await _run(connection, _STILL_THERE.bind())
        except TimeoutError as error:
            raise psycopg.OperationalError("the holder's connection does not answer") from error
        finally:
            if not working.done():
                working.cancel()
                await asyncio.wait([working])
        await working
        return True
    finally:
        await connection.close()


async def _run(connection: psycopg.AsyncConnection[tuple[Any, ...]], query: SqlQuery[bool]) -> bool:
    cursor = await connection.execute(query.statement.text, query.parameters)
    return query.statement.read(await cursor.fetchall())
