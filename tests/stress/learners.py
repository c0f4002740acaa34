"""Learners by chance: each opens its session several times, in one tab or two, and leaves it in every way there is."""

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx
from playwright.async_api import BrowserContext, Error, Frame, Page

from tests.stress.learners_browser import Browser
from tests.stress.learners_course import STORED, now_ms
from tests.stress.learners_ledger import Ledger

READY = "body[data-ready]"
OPENED_SECONDS = 400.0
STUCK_SECONDS = 180.0
# Courses never write it: what a customer writes there must stay.
CUSTOMERS = {"1.2": "cmi.student_preference.audio", "2004": "cmi.learner_preference.audio_level"}
_STORED = f"""Object.keys(localStorage).filter((name) => name.startsWith(`{STORED}${{id}}/`))
    .map((name) => localStorage.getItem(name))"""


class Api:
    """The customer's calls. Each is repeated until it is answered."""

    def __init__(self, base_url: str, key: str) -> None:
        self._client = httpx.AsyncClient(base_url=base_url, headers={"X-API-Key": key}, timeout=30, trust_env=False)

    async def close(self) -> None:
        """Ends its connections."""
        await self._client.aclose()

    async def ask(self, method: str, path: str, **more: Any) -> Any:
        """Answers the JSON."""
        for _ in range(300):
            with contextlib.suppress(httpx.TransportError):
                response = await self._client.request(method, path, **more)
                if response.is_success:
                    return response.json()
                assert response.status_code in (502, 503, 504), response.text
            await asyncio.sleep(0.2)
        raise AssertionError(f"{method} {path} is not answered")

    async def session(self, identifier: str) -> Any:
        """A session as it is."""
        return (await self.ask("GET", f"/api/v1/sessions/{identifier}"))["session"]


async def compare(
    api: Api, ledger: Ledger, session: str, *, kills: Sequence[int] = (), why: str, reopened: bool = False
) -> Any:
    """Reads a session, holds it to the ledger, and answers it. One at a time: no reading is older than the last."""
    async with ledger.locks[session]:
        known = ledger.known(session)
        found = await api.session(session)
        ledger.check(found, known, kills=kills, why=why, reopened=reopened)
        return found


@dataclass(slots=True)
class Course:
    """A package that learners play."""

    package: str
    version: str
    scos: int


@dataclass
class Learner:
    """One learner with one session, always in the same browser."""

    api: Api
    ledger: Ledger
    browser: Browser
    course: Course
    name: str
    chance: random.Random
    ways: Counter[str]
    session: str = ""
    url: str = ""
    written: int = 0
    completes: bool = field(default=False)

    async def learn(self, sittings: int) -> None:
        """From the first sitting to a last look."""
        body = {"package_id": self.course.package, "user_id": self.name}
        created = await self.api.ask("POST", "/api/v1/sessions", json=body)
        self.session, self.url = created["session"]["id"], created["launch_url"]
        for number in range(sittings):
            self.completes = number >= sittings - 2 and self.chance.random() < 0.7
            await self._sit()
        await self.look("end of the session")

    async def look(self, why: str) -> None:
        """Opens the session once more, does nothing, and compares."""
        async with _closing(await self._open(why)):
            pass

    async def _sit(self) -> None:
        for _ in range(3):
            async with _closing(await self._open("reopened")) as page:
                try:
                    async with asyncio.timeout(STUCK_SECONDS):
                        if await self._go(page):
                            await self._act(page)
                            return
                    self.ways["found no course"] += 1  # its page was lost on the way
                except Error as error:
                    self.ways["died in use"] += 1  # the tab or the browser was killed
                    self.ledger.tell(self.session, f"died in use: {str(error)[:60]}")
                    return
                except TimeoutError:
                    await self._end_stuck_browser()
                    return

    async def _end_stuck_browser(self) -> None:
        """A browser that has lost a process which it cannot do without answers nothing, ever."""
        self.ways["browser was stuck"] += 1
        self.ledger.tell(self.session, "its browser is stuck")
        await self.browser.kill()

    async def _act(self, page: Page) -> None:
        for _ in range(self.chance.randint(1, 3)):
            await asyncio.sleep(self.chance.uniform(0.3, 2.0))
            await self._happens(page)
        await self._leave(page)

    async def _happens(self, page: Page) -> None:
        events: list[tuple[float, Callable[[Page], Awaitable[object]]]] = [
            (0.3, self._write),
            (0.25 if self.course.scos > 1 else 0, self._move),
            (0.1, self._take_over),
            (1, lambda page: asyncio.sleep(0)),
        ]
        if self.completes:
            await self._complete(page)
        for share, event in events:
            if self.chance.random() < share:
                await event(page)
                return

    async def _open(self, why: str) -> Page:
        """Opens the session and waits until the course is there; compares what the server has then."""
        deadline = asyncio.get_running_loop().time() + OPENED_SECONDS
        while True:
            try:
                async with asyncio.timeout(STUCK_SECONDS):
                    self.ledger.tell(self.session, f"opening, {why}")
                    page = await self._loaded(await self.browser.context())
                    self.ledger.tell(self.session, "open")
                    await self._compare(page, why)
                    return page
            except Error as error:
                self.ledger.tell(self.session, f"did not open: {str(error)[:60]}")
            except TimeoutError:
                await self._end_stuck_browser()
            if asyncio.get_running_loop().time() > deadline:
                raise AssertionError(f"session {self.session} does not open any more")
            await asyncio.sleep(0.3)

    async def _loaded(self, context: BrowserContext) -> Page:
        page = await context.new_page()
        try:
            await page.goto(self.url, wait_until="commit")
            await page.locator(READY).wait_for(state="attached", timeout=20_000)
            return page
        except Error:
            await _close(page)
            raise

    async def _compare(self, page: Page, why: str) -> None:
        run_page = next((one for one in page.frames if "/player/run/" in one.url), None)
        if run_page is not None:
            with contextlib.suppress(Error):  # storage is blocked, or the tab was killed
                self.ledger.read(await run_page.evaluate(f"(id) => {_STORED}", self.session))
        await compare(self.api, self.ledger, self.session, kills=self.browser.kills_ms, why=why, reopened=True)

    async def _sco(self, page: Page, script: str) -> bool:
        """Runs a script in the course; False if there is none."""
        for _ in range(40):
            for frame in page.frames:
                if await _is_sco(frame):
                    await frame.evaluate(script)
                    return True
            if page.is_closed() or await page.locator("body[data-session]").count():
                return False
            await asyncio.sleep(0.1)
        return False

    async def _go(self, page: Page) -> bool:
        return await self._sco(page, "window.sco.went || (window.sco.went = true, window.sco.go())")

    async def _complete(self, page: Page) -> None:
        self.ways["completed"] += await self._sco(page, "window.sco.complete()")

    async def _write(self, _: Page) -> None:
        """A customer writes what the course does not."""
        self.ways["written over the API"] += 1
        session = await self.api.session(self.session)
        if "current_item_id" in session:
            self.written += 1
            written = {"cmi_data": {CUSTOMERS[self.course.version]: str(self.written)}}
            await self.api.ask("PUT", f"/api/v1/sessions/{self.session}", json=written)

    async def _move(self, page: Page) -> None:
        """To another item."""
        for button in self.chance.sample(["#btn-next", "#btn-prev"], 2):
            if await page.locator(button).is_enabled():
                await page.locator(button).click()
                self.ways["moved to another item"] += 1
                await asyncio.sleep(1)
                await self._go(page)
                return

    async def _take_over(self, page: Page) -> None:
        """The same session in a second window, while the first one goes on."""
        self.ways["taken over"] += 1
        self.ledger.taking_over(self.session, now_ms())
        try:
            second = await self._loaded(await self.browser.context())
            async with _closing(second):
                await self._go(second)
                await asyncio.sleep(self.chance.uniform(0.2, 2))
                await page.close(run_before_unload=self.chance.random() < 0.5)
                await asyncio.sleep(self.chance.uniform(0.2, 1))
        finally:
            await _close(page)
            self.ledger.taken_over(self.session)

    async def _leave(self, page: Page) -> None:
        ways: dict[str, Callable[[], Awaitable[object]]] = {
            "tab closed": page.close,
            "tab closed, asked before": lambda: page.close(run_before_unload=True),
            "went elsewhere": lambda: page.goto("about:blank"),
            "reloaded": page.reload,
            "left by the button": lambda: page.locator("#btn-exit").click(timeout=3000),
            "course ended itself": lambda: self._sco(page, "window.sco.end()"),
        }
        if page.is_closed():
            return
        way = self.chance.choice(sorted(ways))
        self.ways[way] += 1
        self.ledger.tell(self.session, way)
        await ways[way]()
        await asyncio.sleep(self.chance.choice([0.0, 0.05, 0.5, 1.5]))


@contextlib.asynccontextmanager
async def _closing(page: Page) -> Any:
    try:
        yield page
    finally:
        await _close(page)


async def _close(page: Page) -> None:
    with contextlib.suppress(Error, TimeoutError):
        await asyncio.wait_for(page.close(), 20)


async def _is_sco(frame: Frame) -> bool:
    if "/content/" not in frame.url:
        return False
    with contextlib.suppress(Error):
        return bool(await asyncio.wait_for(frame.evaluate("Boolean(window.sco?.ready)"), 5))
    return False
