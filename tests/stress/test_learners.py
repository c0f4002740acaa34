"""Tabs, servers, Envoy and networks die while learners work: what they were told is kept is there, nothing twice."""

import asyncio
import contextlib
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest
from playwright.async_api import Error, async_playwright

from tests.conftest import Scale
from tests.stack import Stack
from tests.stress.audit import table
from tests.stress.learners import CUSTOMERS, Api, Course, Learner, compare
from tests.stress.learners_browser import Browser
from tests.stress.learners_course import now_ms, torture
from tests.stress.learners_ledger import Ledger
from tests.stress.learners_network import Network

SEED = 20_260_504
COMPLETED = "http://adlnet.gov/expapi/verbs/completed"


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    stack = Stack.start(tmp_path_factory.mktemp("learners") / "var")
    yield stack
    stack.discard()


@dataclass
class Torture:
    """Browsers with their networks, learners in them, and what befalls both."""

    stack: Stack
    api: Api
    ledger: Ledger
    browsers: list[tuple[Browser, Network]] = field(default_factory=list)
    courses: list[Course] = field(default_factory=list)
    learners: list[Learner] = field(default_factory=list)
    ways: Counter[str] = field(default_factory=Counter)
    kills: Counter[str] = field(default_factory=Counter)
    chance: random.Random = field(default_factory=lambda: random.Random(SEED))
    checks: set[asyncio.Task[Any]] = field(default_factory=set)

    @classmethod
    @contextlib.asynccontextmanager
    async def prepared(cls, stack: Stack, folder: Path, *, browsers: int, stores: bool) -> AsyncIterator["Torture"]:
        """With courses of both versions."""
        torture = cls(stack, Api(stack.base_url, stack.new_tenant()), Ledger(blocked=not stores))
        async with async_playwright() as playwright:
            for number in range(browsers):
                network = Network(torture.ledger, seed=SEED + number)
                network.on_acknowledged = torture.acknowledged
                proxy = await network.start()
                browser = Browser(
                    playwright, folder / f"profile-{number}", proxy=proxy, heard=torture.ledger.heard, stores=stores
                )
                torture.browsers.append((browser, network))
            await torture.upload()
            yield torture
            for browser, network in torture.browsers:
                await browser.close()
                await network.stop()
        await torture.api.close()

    async def upload(self) -> None:
        for version, scos in (("1.2", 1), ("2004", 1), ("1.2", 3), ("2004", 3)):
            archive = torture(version, scos=scos, epoch_ms=now_ms())
            stored = await self.api.ask("POST", "/api/v1/packages", files={"file": ("course.zip", archive)})
            self.courses.append(Course(stored["package_id"], version, scos))

    def acknowledged(self, session: str) -> None:
        """Some of what is acknowledged is looked up at once."""
        if self.chance.random() < 0.3:
            check = asyncio.create_task(compare(self.api, self.ledger, session, why="at once"))
            self.checks.add(check)
            check.add_done_callback(self.checks.discard)

    async def learn(self, *, sessions: int, seconds: float, tabs: int, sittings: int) -> None:
        """So many sessions at least, and for so long at least."""
        until = time.monotonic() + seconds

        async def tab(browser: Browser) -> None:
            while len(self.learners) < sessions or time.monotonic() < until:
                number = len(self.learners)
                learner = Learner(
                    api=self.api,
                    ledger=self.ledger,
                    browser=browser,
                    course=self.courses[number % len(self.courses)],
                    name=f"learner-{number}",
                    chance=random.Random(SEED + number),
                    ways=self.ways,
                )
                self.learners.append(learner)
                await learner.learn(sittings)

        async with asyncio.TaskGroup() as group:
            for browser, _ in self.browsers:
                for _ in range(tabs):
                    group.create_task(tab(browser))

    @contextlib.asynccontextmanager
    async def disturbed(self, *, pause: float, kills_browsers: bool) -> AsyncIterator[None]:
        """Until the block ends."""
        disturbing = asyncio.create_task(self._disturb(pause, kills_browsers))
        try:
            yield
        finally:
            disturbing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await disturbing
            while self.checks:
                await asyncio.gather(*self.checks)

    async def _disturb(self, pause: float, kills_browsers: bool) -> None:
        what = ["serve", "envoy", "tab", "tab", "outage", "outage", "offline", *(["browser"] if kills_browsers else [])]
        while True:
            for victim in self.chance.sample(what, len(what)):
                await self._work_goes_on(self.chance.uniform(0.3, 1) * pause)
                browser, network = self.chance.choice(self.browsers)
                self.kills[victim] += 1
                if victim == "tab":
                    await asyncio.to_thread(browser.kill_tab, self.chance)
                elif victim == "browser":
                    await browser.kill()
                elif victim == "outage":
                    await network.fail(self.chance.uniform(0.5, 5))
                elif victim == "offline":
                    await self._offline(browser)
                elif running := self.stack.children(victim):
                    self.chance.choice(running).kill()

    async def _work_goes_on(self, seconds: float) -> None:
        """For so long at least; on a slow machine until somebody has opened something."""
        before = self.ledger.counts["launches"]
        await asyncio.sleep(seconds)
        for _ in range(40):
            if self.ledger.counts["launches"] > before + 1:
                return
            await asyncio.sleep(0.5)

    async def _offline(self, browser: Browser) -> None:
        """As the browser itself notices it."""
        try:
            context = await browser.context()
            await asyncio.wait_for(context.set_offline(True), 10)
            await asyncio.sleep(self.chance.uniform(0.5, 4))
            await asyncio.wait_for(context.set_offline(False), 10)
        except (Error, TimeoutError):
            await browser.kill()  # a tab that has crashed never answers

    async def finish(self) -> None:
        """Compares all sessions, their statements, and what the customer wrote."""
        for learner in self.learners:
            kills = learner.browser.kills_ms
            session = await compare(self.api, self.ledger, learner.session, kills=kills, why="very end", reopened=True)
            self._check_writings(learner, session)
        told = self._completed_statements()
        for learner in self.learners:
            completed = [item for name, item in self.ledger.done if name == learner.session and item]
            expected = len(completed) if learner.course.scos > 1 else 0
            expected += (learner.session, "") in self.ledger.done
            if told[learner.session] != expected:
                said = f"{told[learner.session]} times for {expected} changes"
                self.ledger.broken.append(f"{learner.session} was told to be completed {said}")

    def _check_writings(self, learner: Learner, session: dict[str, Any]) -> None:
        element = CUSTOMERS[learner.course.version]
        found = {int(item["cmi_data"].get(element, 0)) for item in session["items"]}
        if learner.written not in found:
            self.ledger.broken.append(f"{learner.session}: {element} was {learner.written} and is {found}")

    def _completed_statements(self) -> Counter[str]:
        query = """
            select statement::json #>> '{context,registration}', count(*) from statements
            where statement::json #>> '{verb,id}' = %s group by 1
        """
        with psycopg.connect(self.stack.database_url) as connection:
            return Counter(dict(connection.execute(query, [COMPLETED]).fetchall()))

    def report(self, title: str, seconds: float) -> str:
        """For people."""
        ledger, networks = self.ledger, [network for _, network in self.browsers]
        lost = sum((network.lost for network in networks), Counter[str]())
        killed_tabs = sum(browser.tabs_killed for browser, _ in self.browsers)
        rows: list[tuple[str, object]] = [
            ("seconds", round(seconds)),
            ("sessions", len(self.learners)),
            ("kills and outages", dict(self.kills)),
            ("tabs killed", killed_tabs),
            ("requests or answers lost", dict(lost)),
            ("what learners did", dict(sorted(self.ways.items()))),
            *sorted(ledger.counts.items()),
            ("broken", len(ledger.broken)),
            *((f"excused: {reason}", number) for reason, number in ledger.excused.items()),
        ]
        return "\n".join([table(title, rows), *self._histories()])

    def _histories(self) -> Iterator[str]:
        """What happened to the sessions that are broken."""
        for learner in self.learners:
            if faults := [text for text in self.ledger.broken if learner.session in text]:
                kills = [kill % 10_000_000 for kill in learner.browser.kills_ms]
                yield from (*faults, f"its browser was killed at {kills}", *self.ledger.history[learner.session])


async def test_what_learners_were_told_is_kept_survives_everything(stack: Stack, tmp_path: Path, scale: Scale) -> None:
    began = time.monotonic()
    async with Torture.prepared(stack, tmp_path, browsers=scale(1, 2), stores=True) as torture:
        async with torture.disturbed(pause=scale(4, 6), kills_browsers=True):
            await torture.learn(sessions=scale(3, 200), seconds=scale(0, 600), tabs=3, sittings=scale(2, 3))
        await torture.finish()
    print(torture.report("Learners under torture", time.monotonic() - began))
    assert torture.ledger.broken == []
    assert torture.ledger.counts["promised values checked"] > 0
    assert torture.ledger.counts["acknowledged values checked"] > 0


async def test_where_storage_is_blocked_what_was_acknowledged_is_kept(
    stack: Stack, tmp_path: Path, scale: Scale
) -> None:
    began = time.monotonic()
    async with Torture.prepared(stack, tmp_path, browsers=1, stores=False) as torture:
        async with torture.disturbed(pause=scale(4, 6), kills_browsers=False):
            await torture.learn(sessions=scale(2, 20), seconds=scale(0, 60), tabs=scale(2, 3), sittings=scale(2, 3))
        await torture.finish()
    ledger = torture.ledger
    print(torture.report("Learners whose browser blocks storage", time.monotonic() - began))
    print(f"  lost with a tab: {ledger.excused.total()} of {ledger.counts['values of theirs']} values")
    assert ledger.broken == []
    assert not ledger.stored
    assert ledger.counts["acknowledged values checked"] > 0
