"""What statements add up to, compared with counting them one by one, on random histories."""

import random
from collections import defaultdict
from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from server.domain.xapi.keys import key
from server.services.statement_folding import StatementFolding
from server.services.statement_ingest import StatementIngest
from server.services.statement_ports import NewStatement, Window
from server.services.statement_upkeep import settle
from server.storage.connection import PostgresDatabase, PostgresOperatorDatabase
from server.storage.rollup_keys import ACTIVITIES, ACTORS, NO_KEY
from server.storage.statement_folds import PostgresStatementFolds
from server.storage.statement_upkeep import PostgresStatementUpkeep
from server.storage.statements import PostgresStatements
from tests.databases import Dsns
from tests.factories.statements import IRI_BASE, VERBS, a_statement, activity, agent, stored, voiding
from tests.rows import NOW, store_tenant

COUNTED = ("completed", "passed", "failed")
ACTORS_THERE, ACTIVITIES_THERE = ("ada", "bob", "cyd", "dee"), ("one", "two", "three")


def history(random_: random.Random, length: int) -> list[NewStatement]:
    """Statements in a random order: some void others that come later, or that void themselves, or never come."""
    made: list[NewStatement] = []
    ids = [uuid4() for _ in range(length)]
    for identifier in ids:
        value: dict[str, Any]
        if random_.random() < 0.25:
            value = voiding(random_.choice([*ids, uuid4()]), actor=agent(random_.choice(ACTORS_THERE)))
        else:
            value = a_statement(
                actor=agent(random_.choice(ACTORS_THERE)),
                verb={"id": VERBS + random_.choice(("completed", "passed", "failed", "experienced"))},
                object=agent("eve") | {"objectType": "Agent"}
                if random_.random() < 0.1
                else activity(random_.choice(ACTIVITIES_THERE)),
            )
            if random_.random() < 0.6:
                value["result"] = {"score": {"scaled": random_.choice((0.1, 0.2, 0.3, -0.7, 1))}}
        value["timestamp"] = (NOW + timedelta(hours=random_.randrange(50))).isoformat()
        made.append(stored({"id": str(identifier), **value}, voids_any=True))
    random_.shuffle(made)
    return made


def counted(statements: Sequence[NewStatement]) -> tuple[dict[Any, Any], dict[Any, Any], dict[UUID, int]]:
    """By actor, by activity, and by key, one statement after the other."""
    voided = {one.facts.refers_to for one in statements if one.facts.is_voiding}
    left = [one for one in statements if one.facts.is_voiding or one.id not in voided]
    counts: dict[UUID, int] = defaultdict(int)
    of_actor, of_activity = defaultdict(list), defaultdict(list)
    for one in left:
        counts[NO_KEY] += 1
        counts[one.facts.verb] += 1
        of_actor[one.facts.actor].append(one)
        if one.facts.activity is not None:
            counts[one.facts.activity] += 1
            of_activity[one.facts.activity].append(one)
    counts[ACTORS], counts[ACTIVITIES] = len(of_actor), len(of_activity)
    actors = {
        actor: (*sums(theirs), len({one.facts.activity for one in theirs} - {None}))
        for actor, theirs in of_actor.items()
    }
    activities = {one: (*sums(theirs), len({s.facts.actor for s in theirs})) for one, theirs in of_activity.items()}
    return actors, activities, {name: count for name, count in counts.items() if count}


def sums(statements: list[NewStatement]) -> tuple[Any, ...]:
    scores = [one.facts.scaled for one in statements if one.facts.scaled is not None]
    times = [one.occurred_at for one in statements]
    return (
        len(statements),
        *(
            sum(one.facts.verb == key("verb", VERBS + verb) for one in statements)
            for verb in ("completed", "passed", "failed")
        ),
        pytest.approx(sum(scores) / len(scores)) if scores else None,
        min(times),
        max(times),
    )


async def assert_totals(database: PostgresDatabase, tenant: UUID) -> None:
    """Whatever is folded and whatever is not, as many are counted as are found."""
    store = PostgresStatements()
    verbs = [key("verb", VERBS + one) for one in (*COUNTED, "experienced", "voided")]
    for found_by in (None, *verbs, *(key("activity", activity(one)["id"]) for one in ACTIVITIES_THERE)):
        window = Window(keys=() if found_by is None else (found_by,))
        found, total = await database.read(
            tenant,
            store.page(window, tenant_id=tenant, limit=1000),
            store.counted(found_by, tenant_id=tenant),
        )
        assert total == len(found)


SUMS = "total_statements, completed_count, passed_count, failed_count, avg_score_scaled, first_activity, last_activity"


def folded(dsns: Dsns) -> tuple[dict[Any, Any], dict[Any, Any], dict[UUID, int]]:
    with psycopg.connect(dsns.owner) as connection:
        connection.execute("set row_security = off")
        actors = connection.execute(
            f"select actor_key, {SUMS}, unique_activities from actor_rollups".encode()
        ).fetchall()
        activities = connection.execute(
            f"select activity_key, {SUMS}, unique_learners from activity_rollups".encode()
        ).fetchall()
        counts = connection.execute("select key, statement_count from statement_counts").fetchall()
    return (
        {row[0]: row[1:] for row in actors},
        {row[0]: row[1:] for row in activities},
        {name: count for name, count in counts if count},
    )


async def fold_all(folding: StatementFolding) -> None:
    """One call folds some windows of each tenant."""
    while await folding.fold():
        pass


@pytest.mark.parametrize("seed", range(12))
async def test_roll_ups_are_what_counting_finds(
    dsns: Dsns, database: PostgresDatabase, operator_database: PostgresOperatorDatabase, seed: int
) -> None:
    random_ = random.Random(seed)
    tenant = (await store_tenant(operator_database)).id
    ingest = StatementIngest(
        database=database, statements=PostgresStatements(), same=lambda there, new: there == new.content.decode()
    )
    folding = StatementFolding(
        database=operator_database, folds=PostgresStatementFolds(), iri_base=IRI_BASE, most=random_.choice((3, 100))
    )
    waiting = history(random_, 60)
    there: list[NewStatement] = []
    while waiting:
        size = random_.randrange(1, 12)
        batch, waiting = waiting[:size], waiting[size:]
        there += batch
        # What is there already comes again at times.
        again = random_.sample(there, k=min(len(there), random_.randrange(3)))
        await ingest.store(list({one.id: one for one in [*batch, *again]}.values()), tenant_id=tenant)
        await assert_totals(database, tenant)
        if random_.random() < 0.7:
            await settle(database=operator_database, statements=PostgresStatementUpkeep())
            await fold_all(folding)
            assert folded(dsns) == counted(there)
            await assert_totals(database, tenant)
    await settle(database=operator_database, statements=PostgresStatementUpkeep())
    await fold_all(folding)
    assert folded(dsns) == counted(there)
    assert await folding.fold() == 0


async def test_what_two_transactions_did_not_see_of_each_other_is_put_right(
    dsns: Dsns, database: PostgresDatabase, operator_database: PostgresOperatorDatabase
) -> None:
    tenant, store = (await store_tenant(operator_database)).id, PostgresStatements()
    target = stored(a_statement())
    void = stored(voiding(target.id), voids_any=True)
    async with database.write(tenant) as first, database.write(tenant) as second:
        await first.run_all(store.hold(tenant_id=tenant), store.insert([target], tenant_id=tenant))
        await second.run_all(store.hold(tenant_id=tenant), store.insert([void], tenant_id=tenant))
        await second.run(store.void([target.id], tenant_id=tenant))
        await second.run(store.inherit([void.id], tenant_id=tenant))
    await settle(database=operator_database, statements=PostgresStatementUpkeep())
    await StatementFolding(database=operator_database, folds=PostgresStatementFolds(), iri_base=IRI_BASE).fold()
    found = await database.read(tenant, store.existing([target.id], tenant_id=tenant))
    assert found[target.id].voided
    assert folded(dsns) == counted([target, void])
    with psycopg.connect(dsns.owner) as connection:
        connection.execute("set row_security = off")
        inherited = connection.execute("select key from statement_keys where owner <> position").fetchall()
    assert {row[0] for row in inherited} == set(target.facts.keys)
