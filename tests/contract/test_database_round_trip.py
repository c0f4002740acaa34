"""One round trip of prepared statements on a connection, whatever becomes of them."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import psycopg
import pytest
from psycopg.pq import PipelineStatus, TransactionStatus

from server.storage import round_trip
from server.storage.round_trip import Connection, Step
from tests.databases import Dsns

ADD: Step = (b"select $1 + $2", (1, 2))


@pytest.fixture
async def connection(dsns: Dsns) -> AsyncIterator[Connection]:
    async with await Connection.connect(dsns.server, autocommit=True) as connection:
        yield connection


async def rows(connection: Connection, *steps: Step) -> list[list[tuple[Any, ...]]]:
    return [answer.rows() for answer in await connection.exchange(steps)]


async def prepared(connection: Connection) -> int:
    cursor = await connection.execute("select count(*) from pg_prepared_statements where name like 'scorm%'")
    (count,) = await cursor.fetchone() or (None,)
    assert isinstance(count, int)
    return count


async def usable(connection: Connection) -> bool:
    """Also by psycopg's own means, which share the connection."""
    assert connection.pgconn.pipeline_status == PipelineStatus.OFF
    assert connection.info.transaction_status == TransactionStatus.IDLE
    return await rows(connection, ADD) == [[(3,)]] and (await connection.execute("select 1")).rownumber is not None


async def test_answers_come_in_the_order_of_their_statements(connection: Connection) -> None:
    for _ in range(3):
        asked = (ADD, (b"select n from generate_series(1, 3) n", ()), ADD, (b"set local work_mem = '4MB'", ()))
        assert await rows(connection, *asked) == [[(3,)], [(1,), (2,), (3,)], [(3,)], []]


async def test_each_types_of_parameters_are_prepared_once(connection: Connection) -> None:
    for value in (1, 2, "x", "y", None):
        assert await rows(connection, (b"select $1::text is null", (value,))) == [[(value is None,)]]
    # Integers have 8 bytes; the type of the others is for Postgres to find.
    assert await prepared(connection) == 2


async def test_beyond_the_limit_statements_run_unprepared(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(round_trip, "MAX_PREPARED", 2)
    for number in range(5):
        assert await rows(connection, (b"select %d + $1" % number, (1,))) == [[(number + 1,)]]
    assert await prepared(connection) == 2
    assert await rows(connection, (b"select 0 + $1", (2,)), (b"select 4 + $1", (2,))) == [[(2,)], [(6,)]]


@pytest.mark.parametrize(
    ("bad", "error"),
    [
        ((b"selec", ()), psycopg.errors.SyntaxError),
        ((b"select 1 / $1", (0,)), psycopg.errors.DivisionByZero),
        ((b"select $1::text", ("a\0b",)), psycopg.DataError),
        ((b"select $1", (object(),)), psycopg.ProgrammingError),
    ],
    ids=["no statement", "fails when run", "text that Postgres cannot hold", "a value without a form"],
)
async def test_the_first_that_fails_is_told_and_none_after_it_runs(
    connection: Connection, bad: Step, error: type[psycopg.Error]
) -> None:
    await connection.execute("create temporary table seen (number int)")
    add: Step = (b"insert into seen values ($1)", (1,))
    for _ in range(2):
        with pytest.raises(error):
            await connection.exchange([add, bad, add, (b"select 1 / (1 - $1)", (1,))])
        assert await usable(connection)
    # One pipeline is one transaction.
    assert await rows(connection, (b"select * from seen", ())) == [[]]
    assert await rows(connection, add, add) == [[], []]
    assert await rows(connection, (b"select count(*) from seen", ())) == [[(2,)]]


async def test_much_in_both_directions_at_once_does_not_lock_up(connection: Connection) -> None:
    many: Step = (b"select repeat(left($1, 1), 4000000), $1", ("x" * 4_000_000,))
    async with asyncio.timeout(30):
        answers = await rows(connection, many, many, many)
    assert [[len(text) for text in row] for (row,) in answers] == [[4_000_000, 4_000_000]] * 3


async def test_whoever_is_cancelled_leaves_the_connection_usable(connection: Connection) -> None:
    for _ in range(3):
        asking = asyncio.create_task(connection.exchange([ADD, (b"select pg_sleep(60)", ()), ADD]))
        await asyncio.sleep(0.05)
        asking.cancel()
        async with asyncio.timeout(5):
            with pytest.raises(asyncio.CancelledError):
                await asking
        assert await usable(connection)


async def test_a_connection_that_is_lost_says_so(connection: Connection, dsns: Dsns) -> None:
    asking = asyncio.create_task(connection.exchange([(b"select pg_sleep(60)", ())]))
    await asyncio.sleep(0.1)
    async with await psycopg.AsyncConnection.connect(dsns.owner, autocommit=True) as other:
        await other.execute("select pg_terminate_backend(%s)", [connection.info.backend_pid])
    with pytest.raises(psycopg.OperationalError):
        await asking
    with pytest.raises(psycopg.OperationalError):
        await connection.exchange([ADD])
    assert connection.broken
