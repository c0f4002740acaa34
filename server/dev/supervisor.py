"""Keeps children running: starts them stage by stage, restarts what crashes, ends them in reverse."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from server.dev.children import Child, StartFailed


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """How long to wait before a restart: doubling from `first` to `most`, from the start again after `calm` seconds."""

    first_seconds: float = 0.2
    most_seconds: float = 15.0
    calm_seconds: float = 20.0

    def after(self, previous_seconds: float, *, lived_seconds: float) -> float:
        """The next wait."""
        if lived_seconds >= self.calm_seconds or previous_seconds == 0:
            return self.first_seconds
        return min(previous_seconds * 2, self.most_seconds)


class Supervisor:
    """Children in stages. `say` gets one line for every change."""

    def __init__(self, *, say: Callable[[str], None], backoff: Backoff | None = None) -> None:
        self._say = say
        self._backoff = backoff or Backoff()
        self._stages: list[Sequence[Child]] = []
        self._keepers: list[asyncio.Task[None]] = []
        self._hurry = asyncio.Event()

    async def start(self, *children: Child) -> None:
        """Starts a stage: all at once, ready when all are. Raises StartFailed for the first that is not."""
        self._stages.append(children)
        began = time.monotonic()
        try:
            async with asyncio.TaskGroup() as group:
                for child in children:
                    group.create_task(self._launch(child, began))
        except ExceptionGroup as failures:
            raise failures.exceptions[0] from None
        self._keepers += [asyncio.create_task(self._keep(child)) for child in children]

    async def _launch(self, child: Child, began: float) -> None:
        await child.launch()
        self._say(f"✓ {child.name} {time.monotonic() - began:.1f} s")

    async def _keep(self, child: Child) -> None:
        wait, started = 0.0, time.monotonic()
        while True:
            reason = await child.exited()
            wait = self._backoff.after(wait, lived_seconds=time.monotonic() - started)
            self._say(f"! {child.name} {reason}, starting it again in {wait:.1f} s")
            await asyncio.sleep(wait)
            started = time.monotonic()
            try:
                await child.launch()
            except StartFailed:
                continue  # the next turn says how it ended
            self._say(f"✓ {child.name} is back")

    @property
    def has_children(self) -> bool:
        """Whether there is anything to stop."""
        return bool(self._stages)

    def hurry(self) -> None:
        """Ends the patience of a `stop` that is under way, or of the next."""
        self._hurry.set()

    async def stop(self) -> None:
        """Ends all children, last stage first, each stage at once. Repeating it changes nothing."""
        for keeper in self._keepers:
            keeper.cancel()
        await asyncio.gather(*self._keepers, return_exceptions=True)
        while self._stages:
            await asyncio.gather(*(self._stop(child) for child in self._stages[-1]))
            self._stages.pop()

    async def _stop(self, child: Child) -> None:
        if not await child.stop(hurry=self._hurry):
            self._say(f"! {child.name} did not stop by itself and was killed")
