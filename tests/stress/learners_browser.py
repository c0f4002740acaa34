"""Browsers whose tabs and selves are killed, and whose profile a later one finds again."""

import asyncio
import contextlib
import random
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import psutil
from playwright.async_api import BrowserContext, ConsoleMessage, Error, Playwright

from tests import chromium
from tests.browser.conftest import QUIET
from tests.stress.learners_course import now_ms

_SWITCH = "--disable-features="
# Playwright turns this off, and then Chromium blocks the storage of a frame of another site altogether.
_PARTITIONS = "ThirdPartyStoragePartitioning"


class Browser:
    """One profile. `kills_ms` are the times at which its browser was killed."""

    def __init__(
        self, playwright: Playwright, folder: Path, *, proxy: str, heard: Callable[[str], None], stores: bool = True
    ) -> None:
        self.kills_ms: list[int] = []
        self.tabs_killed = 0
        self._playwright = playwright
        self._folder = folder
        self._proxy = proxy
        self._heard = heard
        self._stores = stores
        self._context: BrowserContext | None = None
        self._lock = asyncio.Lock()

    async def context(self) -> BrowserContext:
        """The running browser's; starts one if there is none."""
        async with self._lock:
            if self._context is None:
                self._context = await self._start()
            return self._context

    async def _start(self) -> BrowserContext:
        switch = await default_features(self._playwright) if self._stores else ""
        changed = switch.replace(f"{_PARTITIONS},", "").replace(f",{_PARTITIONS}", "")
        context = await self._playwright.chromium.launch_persistent_context(
            self._folder,
            executable_path=chromium.find(),
            args=["--no-sandbox", *QUIET, *([changed] if switch else [])],
            ignore_default_args=[switch] if switch else [],
            proxy={"server": self._proxy, "bypass": "<-loopback>"},
            timeout=120_000,
        )
        context.set_default_timeout(20_000)
        context.on("console", self._listen)
        context.on("close", self._closed)
        return context

    def _listen(self, message: ConsoleMessage) -> None:
        self._heard(message.text)

    def _closed(self, context: BrowserContext) -> None:
        if self._context is context:
            self._context = None

    def _processes(self) -> dict[str, list[psutil.Process]]:
        """By their type; that of the browser itself is ""."""
        found: defaultdict[str, list[psutil.Process]] = defaultdict(list)
        for process in psutil.Process().children(recursive=True):
            words = _words(process)
            if f"--user-data-dir={self._folder}" in words:
                kind = next((word for word in words if word.startswith("--type=")), "--type=")
                found[kind.removeprefix("--type=")].append(process)
        return found

    async def kill(self) -> None:
        """Ends all its processes without warning."""
        async with self._lock:
            context, self._context = self._context, None
            if context is None:
                return
            processes = await asyncio.to_thread(self._processes)
            for process in processes[""]:
                process.kill()
            self.kills_ms.append(now_ms())
            with contextlib.suppress(Error, TimeoutError):
                await asyncio.wait_for(context.close(), 10)
            await asyncio.to_thread(psutil.wait_procs, [one for some in processes.values() for one in some], 10)

    def kill_tab(self, chance: random.Random) -> None:
        """Ends a process that renders pages."""
        if renderers := self._processes()["renderer"]:
            with contextlib.suppress(psutil.NoSuchProcess):
                chance.choice(renderers).kill()
                self.tabs_killed += 1

    async def close(self) -> None:
        """As a user does."""
        async with self._lock:
            if self._context is not None:
                with contextlib.suppress(Error):
                    await self._context.close()


async def default_features(playwright: Playwright) -> str:
    """The switch by which Playwright turns features off."""
    if not _known:
        browser = await playwright.chromium.launch(executable_path=chromium.find(), args=["--no-sandbox", *QUIET])
        children = psutil.Process().children(recursive=True)
        switches = [word for child in children for word in _words(child) if word.startswith(_SWITCH)]
        _known.append(next(word for word in switches if _PARTITIONS in word))
        await browser.close()
    return _known[0]


_known: list[str] = []


def _words(process: psutil.Process) -> list[str]:
    with contextlib.suppress(psutil.Error):
        return process.cmdline()
    return []
