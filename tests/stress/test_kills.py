"""Any process may die at any moment: nothing acknowledged is lost, nothing half done stays, all comes back alone."""

import asyncio
import http.client
import random
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from server.dev.database import DATABASE
from tests.conftest import Scale
from tests.factories import scorm12_package
from tests.stack import Stack
from tests.stress.audit import audit, counted, table
from tests.stress.ledger import PACKAGES, Ledger, Load

BACKEND = "backend"
VICTIMS = ("serve", "upload", "worker", "storage", "envoy", "postgres", BACKEND)
SEED = 20_260_101
WORKS_SECONDS = 90.0


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    stack = Stack.start(tmp_path / "var", durable=True, environment={"LOST_SECONDS": "3"})
    yield stack
    stack.discard()


class Killer:
    """Ends processes without warning, and measures how long it takes until the copy is whole and works again."""

    def __init__(self, stack: Stack, probe: Load) -> None:
        self._stack = stack
        self._probe = probe
        self.seconds: defaultdict[str, list[float]] = defaultdict(list)

    async def kill(self, victim: str, chance: random.Random) -> None:
        backs, began = self._backs(victim), time.monotonic()
        if not (running := self._running(victim)):
            return  # it is being restarted
        killed = chance.choice(running)
        killed.kill()
        while killed.is_running() or self._backs(victim) == backs or not await self._works():
            assert time.monotonic() < began + WORKS_SECONDS, f"the copy does not work after the death of {victim}"
            await asyncio.sleep(0.1)
        self.seconds[victim].append(time.monotonic() - began)

    def _running(self, victim: str) -> list[psutil.Process]:
        if victim != BACKEND:
            return self._stack.children(victim)
        # Its title is `postgres: ROLE DATABASE ADDRESS ACTIVITY`.
        children = [child for postmaster in self._stack.children("postgres") for child in postmaster.children()]
        return [child for child in children if f" {DATABASE} " in "".join(child.cmdline())]

    def _backs(self, victim: str) -> int:
        """How often the supervisor has restarted it. The postmaster restarts its backends itself: their log says so."""
        if victim == BACKEND:
            return self._stack.log("postgres").count("all server processes terminated")
        return self._stack.log("stdout").replace(f"{victim}-", victim).count(f"✓ {victim}")

    async def _works(self) -> bool:
        await self._probe.list()
        answer = await self._probe.upload(size=0)
        return answer is not None and answer.status_code == 201

    def rows(self) -> list[tuple[str, object]]:
        kills = [f"{victim} {len(times)} ({max(times):.1f} s)" for victim, times in sorted(self.seconds.items())]
        return [("kills (slowest until all works)", ", ".join(kills)), ("kills", sum(map(len, self.seconds.values())))]


async def test_what_was_acknowledged_survives_the_death_of_any_process(stack: Stack, scale: Scale) -> None:
    key, ledger = stack.new_tenant(), Ledger()
    chance = random.Random(SEED)
    async with (
        Load(stack, key, ledger, seed=SEED) as load,
        Load(stack, stack.new_tenant(), Ledger(), seed=SEED) as probe,
    ):
        killer = Killer(stack, probe)
        async with load.running(uploaders=scale(2, 4), deleters=1, readers=1), asyncio.TaskGroup() as kills:
            for _ in range(scale(1, 15)):
                for victim in chance.sample(VICTIMS, len(VICTIMS)):
                    await asyncio.sleep(chance.uniform(0.2, 1.5))
                    kill = kills.create_task(killer.kill(victim, chance))
                    if scale(0, 1) and chance.random() < 0.5:
                        await kill  # the others die while this one is not back
    found = await asyncio.to_thread(audit, stack, key, ledger)
    print(table("Death of processes under load", [*killer.rows(), *counted(ledger, found)]))
    found.check()
    assert len(killer.seconds) == len(VICTIMS)
    assert ledger.stored.keys() & ledger.deleted


def test_the_key_of_an_upload_whose_process_died_is_free_once_its_lease_is_over(impatient: Stack) -> None:
    course = scorm12_package()
    headers = {"X-API-Key": impatient.new_tenant(), "Idempotency-Key": "key-1", "Content-Type": "application/zip"}
    begun = http.client.HTTPConnection("localhost", impatient.port, timeout=30)
    begun.putrequest("POST", PACKAGES)
    for name, value in {**headers, "Content-Length": str(len(course))}.items():
        begun.putheader(name, value)
    begun.endheaders(course[:100])
    with httpx.Client(base_url=impatient.base_url, headers=headers, timeout=30) as api:

        def again() -> httpx.Response:
            return api.post(PACKAGES, content=course)

        # Longer than a lease: it is extended.
        time.sleep(2)
        assert again().json()["error"]["details"] == {"idempotency_key": "running_request"}
        for process in impatient.children("upload"):
            process.kill()
        assert begun.getresponse().status == 503
        begun.close()
        deadline = time.monotonic() + WORKS_SECONDS
        # Of the answers until then some are 503: the process starts again.
        while (answer := again()).status_code in (409, 503):
            assert time.monotonic() < deadline
            time.sleep(0.2)
        assert answer.status_code == 201
        # Another of them may be starting still.
        while (replayed := again()).status_code == 503:
            assert time.monotonic() < deadline
            time.sleep(0.2)
        assert replayed.headers["idempotent-replayed"] == "true"
        assert replayed.json()["package_id"] == answer.json()["package_id"]
        assert api.get(PACKAGES).json()["count"] == 1
