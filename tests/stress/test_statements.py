"""Statements of 64 callers while processes die: what was acknowledged is there once, and adds up."""

import asyncio
import json
import random
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import psycopg
import pytest

from tests.conftest import Scale
from tests.factories.statements import VERBS, a_statement, activity, agent, voiding
from tests.stack import Stack, tenant_of
from tests.stress.audit import table

VICTIMS = ("serve", "worker", "envoy", "postgres")
CALLERS = 64
SEED = 20_260_201
BACK_SECONDS = 90.0
ADDS_UP_SECONDS = 90.0
# What the roll-ups say, and what counting says.
FOLDED = """
    select actor_key, activity_key, total_statements, completed_count, passed_count, failed_count, score_count,
        score_sum, first_activity, last_activity from pair_rollups where tenant_id = %(tenant)s order by 1, 2
"""
COUNTED = """
    select actor_key, coalesce(activity_key, '00000000-0000-0000-0000-000000000000'), count(*),
        count(*) filter (where verb = 'completed'), count(*) filter (where verb = 'passed'),
        count(*) filter (where verb = 'failed'), count(scaled), coalesce(sum(scaled::numeric), 0), min(occurred_at),
        max(occurred_at)
    from (
        select *, split_part(statement::json #>> '{verb,id}', '/verbs/', 2) as verb from statements s
        where tenant_id = %(tenant)s and not exists (
            select from statements v where v.tenant_id = s.tenant_id and v.refers_to = s.statement_id and v.is_voiding
            and not s.is_voiding
        )
    ) there group by 1, 2 order by 1, 2
"""


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    stack = Stack.start(tmp_path / "var", durable=True)
    yield stack
    stack.discard()


class Callers:
    """Send batches again and again until they are acknowledged, now and then one that was acknowledged before."""

    def __init__(self, stack: Stack, key: str) -> None:
        limits = httpx.Limits(max_connections=CALLERS)
        headers = {"x-api-key": key, "content-type": "application/json"}
        self.client = httpx.AsyncClient(base_url=stack.base_url, headers=headers, timeout=30, limits=limits)
        self.acknowledged: set[str] = set()
        self.counts: Counter[str] = Counter()
        self.stopping = False

    async def call(self, chance: random.Random) -> None:
        last: list[dict[str, Any]] = []
        while not self.stopping:
            batch = [self._statement(chance, last) for _ in range(chance.choice((1, 1, 5, 50)))]
            await self._send(batch)
            last = batch
            if chance.random() < 0.1:
                await self._send(batch)

    def _statement(self, chance: random.Random, last: list[dict[str, Any]]) -> dict[str, Any]:
        identifier = {"id": str(uuid4())}
        if last and chance.random() < 0.05:
            target = chance.choice(last)
            if "result" in target:
                return identifier | voiding(target["id"], actor=agent(f"learner-{chance.randrange(20)}"))
        return identifier | a_statement(
            actor=agent(f"learner-{chance.randrange(20)}"),
            verb={"id": VERBS + chance.choice(("completed", "passed", "failed", "experienced"))},
            object=activity(f"course-{chance.randrange(5)}"),
            result={"score": {"scaled": chance.choice((0.1, 0.2, 0.7))}},
            timestamp=f"2026-01-{chance.randrange(1, 28):02}T00:00:00Z",
        )

    async def _send(self, batch: list[dict[str, Any]]) -> None:
        content = json.dumps(batch)
        while True:
            try:
                answer = await self.client.post("/api/v1/xapi/statements", content=content)
            except httpx.HTTPError:
                self.counts["no answer"] += 1
                continue
            self.counts[str(answer.status_code)] += 1
            if answer.status_code == 200:
                assert answer.json() == [one["id"] for one in batch]
                self.acknowledged.update(answer.json())
                return
            assert answer.status_code in (502, 503, 504), answer.text
            await asyncio.sleep(0.1)


async def killing(stack: Stack, callers: Callers, rounds: int) -> list[str]:
    """Kills one process after the other, and waits until statements are acknowledged again."""
    chance, killed = random.Random(SEED), []
    for _ in range(rounds):
        for victim in chance.sample(VICTIMS, len(VICTIMS)):
            await asyncio.sleep(chance.uniform(0.5, 1.5))
            if running := stack.children(victim):
                chance.choice(running).kill()
                killed.append(victim)
            before, began = len(callers.acknowledged), time.monotonic()
            while len(callers.acknowledged) < before + 100:
                assert time.monotonic() < began + BACK_SECONDS, f"nothing is stored after the death of {victim}"
                await asyncio.sleep(0.1)
    return killed


async def test_what_was_acknowledged_is_there_once_and_adds_up_whoever_dies(stack: Stack, scale: Scale) -> None:
    key = stack.new_tenant()
    callers = Callers(stack, key)
    tasks = [asyncio.create_task(callers.call(random.Random(SEED + number))) for number in range(CALLERS)]
    killed = await killing(stack, callers, scale(1, 10))
    callers.stopping = True
    await asyncio.gather(*tasks)
    await callers.client.aclose()
    tenant = {"tenant": tenant_of(key)}
    with psycopg.connect(stack.database_url, autocommit=True) as connection:
        found = connection.execute("select statement_id::text from statements where tenant_id = %(tenant)s", tenant)
        there = Counter(identifier for (identifier,) in found)
        assert set(there) >= callers.acknowledged
        assert set(there.values()) == {1}
        deadline = time.monotonic() + ADDS_UP_SECONDS
        while (folded := connection.execute(FOLDED, tenant).fetchall()) != (
            counted := connection.execute(COUNTED, tenant).fetchall()
        ):
            assert time.monotonic() < deadline, (folded[:3], counted[:3])
            await asyncio.sleep(0.5)
        flagged = connection.execute(
            "select count(*) from statements where voided and tenant_id = %(tenant)s", tenant
        ).fetchone()
    assert flagged is not None
    print(
        table(
            "Statements while processes die",
            [
                ("kills", dict(Counter(killed))),
                ("acknowledged", len(callers.acknowledged)),
                ("there", len(there)),
                ("voided", flagged[0]),
                ("answers", dict(callers.counts)),
            ],
        )
    )
