"""Changes of sessions: whole or not at all, with their statements, in few round trips."""

import asyncio
import json
from typing import Any
from uuid import UUID

import psycopg
import pytest

from server.domain.errors import SessionNotFound
from server.domain.sessions.model import Completion, Score, Success
from server.services.session_ports import SessionFilter
from server.storage.connection import PostgresDatabase, PostgresOperatorDatabase
from tests.contract.sessions_fixtures import IRI_BASE, SessionHost
from tests.databases import Dsns
from tests.rows import store_tenant

STATUS = "cmi.core.lesson_status"
RAW = "cmi.core.score.raw"


@pytest.fixture
async def host(database: PostgresDatabase, operator_database: PostgresOperatorDatabase) -> SessionHost:
    return SessionHost.of(database, (await store_tenant(operator_database)).id)


class Traffic:
    """Statements and round trips since it was made or asked."""

    def __init__(self, host: SessionHost) -> None:
        self._traffic = host.database.traffic
        self._before = (0, 0)
        self.since()

    def since(self) -> tuple[int, int]:
        now = (self._traffic.statements, self._traffic.round_trips)
        told = (now[0] - self._before[0], now[1] - self._before[1])
        self._before = now
        return told


def statements(dsns: Dsns, tenant: UUID) -> list[Any]:
    """Everything that was told, in its order."""
    with psycopg.connect(dsns.owner) as connection:
        connection.execute("set row_security = off")
        found = connection.execute(
            "select statement from statements where tenant_id = %s order by position", (tenant,)
        ).fetchall()
    return [json.loads(statement) for (statement,) in found]


def verbs(dsns: Dsns, tenant: UUID) -> list[str]:
    return [one["verb"]["id"].rpartition("/")[2] for one in statements(dsns, tenant)]


async def test_reading_a_session_is_two_statements_in_one_round_trip(host: SessionHost) -> None:
    session = await host.create(await host.course(scos=3))
    await host.get(session)
    traffic = Traffic(host)
    await host.get(session)
    assert traffic.since() == (2, 1)


async def test_a_page_of_sessions_and_its_total_are_one_round_trip_but_for_several_filters(host: SessionHost) -> None:
    await host.create(await host.course())
    traffic = Traffic(host)
    none = SessionFilter(user_id="ada", completion=Completion.COMPLETED)
    some = SessionFilter(user_id="ada", completion=Completion.NOT_ATTEMPTED)
    # Of several filters at once the total is asked for first: where there are none, nobody looks for them.
    for wanted, asked in (
        (SessionFilter(), (2, 1)),
        (SessionFilter(user_id="ada"), (2, 1)),
        (none, (1, 1)),
        (some, (2, 2)),
    ):
        await host.sessions.list(wanted, tenant_id=host.tenant, page=1, limit=20, cursor=None)
        assert traffic.since() == asked


async def test_an_update_is_two_round_trips_and_three_where_the_session_counts_under_another_status(
    host: SessionHost,
) -> None:
    session = await host.create(await host.course())
    await host.update(session, cmi_data={STATUS: "incomplete"})
    traffic = Traffic(host)
    await host.update(session, cmi_data={"cmi.suspend_data": "x"}, session_time="PT1M")
    # Session, items, launch; session, item, launch, COMMIT.
    assert traffic.since() == (6, 2)
    await host.update(session, cmi_data={STATUS: "completed"})
    assert traffic.since()[1] == 3


async def test_a_commit_is_two_round_trips(host: SessionHost) -> None:
    session = await host.create(await host.course())
    run = await host.play(session)
    await run.commit({"cmi.suspend_data": "1"})
    traffic = Traffic(host)
    await run.commit({"cmi.suspend_data": "2"})
    # Session, item, standings, launch; session, item, COMMIT.
    assert traffic.since() == (6, 2)
    await run.commit({"cmi.suspend_data": "3", "cmi.core.session_time": "00:01:00"})
    assert traffic.since() == (7, 2)
    run.number -= 1
    await run.commit({"cmi.suspend_data": "3"})
    assert traffic.since()[1] <= 2


async def test_an_update_tells_what_has_changed_once(dsns: Dsns, host: SessionHost) -> None:
    session = await host.create(await host.course())
    assert verbs(dsns, host.tenant) == []
    await host.update(session, cmi_data={"cmi.suspend_data": "x"})
    assert verbs(dsns, host.tenant) == []
    passed: dict[str, Any] = {"completion": Completion.COMPLETED, "success": Success.PASSED}
    await host.update(session, **passed, score=Score(scaled=0.95, raw=95))
    for _ in range(2):
        await host.update(session, **passed)
    told = statements(dsns, host.tenant)
    assert verbs(dsns, host.tenant) == ["completed", "passed"]
    # The score stands on one of them.
    assert [one["result"].get("score") for one in told] == [None, {"scaled": 0.95, "raw": 95}]
    assert [(one["result"].get("completion"), one["result"].get("success")) for one in told] == [
        (True, None),
        (None, True),
    ]
    for one in told:
        assert one["actor"]["account"] == {"homePage": f"{IRI_BASE}/tenants/{host.tenant}", "name": "ada"}
        assert one["object"]["id"] == f"{IRI_BASE}/packages/{session.package_id}"
        assert one["context"]["registration"] == str(session.id)
    await host.update(session, success=Success.FAILED)
    await host.update(session, score=Score(scaled=0.1))
    assert verbs(dsns, host.tenant)[2:] == ["failed", "scored"]


async def test_a_learners_sitting_is_told_from_beginning_to_end(dsns: Dsns, host: SessionHost) -> None:
    session = await host.create(await host.course())
    run = await host.play(session)
    await run.commit({"cmi.suspend_data": "1"}, initialized=True)
    values = {STATUS: "passed", RAW: "80", "cmi.core.session_time": "00:01:00"}
    await run.commit(values, initialized=True, terminated=True)
    assert verbs(dsns, host.tenant) == ["launched", "initialized", "completed", "passed", "terminated"]
    told = statements(dsns, host.tenant)
    assert [bool(one.get("result", {}).get("score")) for one in told] == [False, False, False, True, False]
    assert told[-1]["result"]["duration"] == "PT1M"


async def test_of_several_items_each_is_told_and_the_whole(dsns: Dsns, host: SessionHost) -> None:
    session = await host.create(await host.course(scos=2, version="2004"))
    for item in ("ITEM-1", "ITEM-2"):
        await host.update(session, item_id=item, cmi_data={"cmi.completion_status": "completed"})
    package = f"{IRI_BASE}/packages/{session.package_id}"
    told = [(one["verb"]["id"].rpartition("/")[2], one["object"]["id"]) for one in statements(dsns, host.tenant)]
    assert told == [
        ("completed", f"{package}/items/ITEM-1"),
        ("completed", f"{package}/items/ITEM-2"),
        ("completed", package),
    ]


async def test_what_is_not_committed_tells_nothing_and_counts_nothing(
    dsns: Dsns, host: SessionHost, operator_database: PostgresOperatorDatabase
) -> None:
    session = await host.create(await host.course())
    run = await host.play(session)
    before = (await host.get(session), statements(dsns, host.tenant))
    with psycopg.connect(dsns.owner, autocommit=True) as connection:
        # The very last thing of a change fails: as if the server had died just before.
        connection.execute(
            """
            create function fail() returns trigger language plpgsql as $$ begin raise 'no'; end $$;
            create constraint trigger fails after insert on statements deferrable initially deferred
            for each row execute function fail()
            """
        )
        for change in (
            lambda: host.update(session, completion=Completion.COMPLETED, score=Score(raw=5)),
            lambda: run.commit({STATUS: "passed", RAW: "90"}, initialized=True),
        ):
            with pytest.raises(Exception, match="Database operation failed"):
                await change()
        connection.execute("drop trigger fails on statements")
    assert (await host.get(session), statements(dsns, host.tenant)) == before
    run.number = 0
    assert (await run.commit({STATUS: "passed"}, initialized=True)).result.item.applied == 1
    assert verbs(dsns, host.tenant)[1:] == ["initialized", "completed", "passed"]


async def test_a_change_that_is_cancelled_leaves_all_or_nothing(dsns: Dsns, host: SessionHost) -> None:
    package = await host.course()
    for pause in (0.0, 0.001, 0.002, 0.004, 0.008, 0.016):
        session = await host.create(package, f"user-{pause}")
        task = asyncio.create_task(host.update(session, completion=Completion.COMPLETED))
        await asyncio.sleep(pause)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        done = (await host.get(session)).standing.completion is Completion.COMPLETED
        told = [one for one in statements(dsns, host.tenant) if one["context"]["registration"] == str(session.id)]
        total = await host.sessions.list(
            SessionFilter(completion=Completion.COMPLETED, package_id=package, user_id=session.user_id),
            tenant_id=host.tenant, page=1, limit=1, cursor=None,
        )  # fmt: skip
        assert (len(told), total.total.count) == (done, done)


async def test_statements_outlive_the_session(dsns: Dsns, host: SessionHost) -> None:
    session = await host.create(await host.course())
    await host.update(session, completion=Completion.COMPLETED)
    await host.delete(session)
    with pytest.raises(SessionNotFound):
        await host.get(session)
    (told,) = statements(dsns, host.tenant)
    assert json.dumps(told["context"]["registration"]) == f'"{session.id}"'
    with psycopg.connect(dsns.owner) as connection:
        left = connection.execute(
            "select (select count(*) from session_items), (select count(*) from session_launches)"
        ).fetchone()
    assert left == (0, 0)
