"""A load of uploads, deletes and reads that keeps a ledger of what the platform acknowledged."""

import asyncio
import contextlib
import io
import itertools
import os
import random
import zipfile
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.factories import scorm12_package
from tests.stack import Stack

PACKAGES = "/api/v1/packages"
# A file of 1 MiB goes to storage at once, more in a session of chunks.
SIZES = (0, 0, 2_000, 200_000, 3 * 1024**2)


@dataclass(frozen=True, slots=True)
class Course:
    """A package that no other is like."""

    title: str
    archive: bytes
    files: dict[str, bytes]

    @property
    def stored_bytes(self) -> int:
        """What it takes of a quota."""
        return len(self.archive) + sum(map(len, self.files.values()))


def make_course(title: str, *, size: int) -> Course:
    """`size` bytes of noise are among its files."""
    archive = scorm12_package(title=title, files={"noise.bin": os.urandom(size)})
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        return Course(title, archive, {name: opened.read(name) for name in opened.namelist()})


@dataclass(slots=True)
class Ledger:
    """What a client knows: what was acknowledged, what was asked without an answer, and what must not have been.

    `unhinted` counts answers with 503 that do not say when to try again.
    """

    courses: dict[str, Course] = field(default_factory=dict)
    stored: dict[str, str] = field(default_factory=dict)
    deleted: set[str] = field(default_factory=set)
    doomed: set[str] = field(default_factory=set)
    failures: Counter[str] = field(default_factory=Counter)
    done: Counter[str] = field(default_factory=Counter)
    lost: list[str] = field(default_factory=list)
    unhinted: Counter[str] = field(default_factory=Counter)

    def kept(self) -> list[str]:
        """Packages that must be there, by id."""
        return [package for package in self.stored if package not in self.deleted | self.doomed]


class Load:
    """Calls of one tenant through Envoy, each entered into the ledger. Nothing is retried."""

    def __init__(self, stack: Stack, key: str, ledger: Ledger, *, seed: int) -> None:
        self.ledger = ledger
        self.client = httpx.AsyncClient(
            base_url=stack.base_url, headers={"X-API-Key": key}, timeout=60, limits=httpx.Limits(max_connections=100)
        )
        self._random = random.Random(seed)
        self._numbers = itertools.count()

    async def __aenter__(self) -> "Load":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.client.aclose()

    async def upload(self, *, size: int | None = None) -> httpx.Response | None:
        """A new course."""
        size = self._random.choice(SIZES) if size is None else size
        course = await asyncio.to_thread(make_course, f"Course {next(self._numbers)}", size=size)
        self.ledger.courses[course.title] = course
        answer = await self._ask("upload", "POST", PACKAGES, files={"file": ("course.zip", course.archive)})
        if answer is not None and answer.status_code == 201:
            self.ledger.stored[answer.json()["package_id"]] = course.title
        return answer

    async def delete(self) -> None:
        """One that is there."""
        kept = self.ledger.kept()
        if not kept:
            return
        package = self._random.choice(kept)
        self.ledger.doomed.add(package)
        answer = await self._ask("delete", "DELETE", f"{PACKAGES}/{package}")
        if answer is None:
            return
        if answer.status_code == 200:
            self.ledger.doomed.discard(package)
            self.ledger.deleted.add(package)
        elif answer.status_code == 404:
            self.ledger.lost.append(package)

    async def get(self) -> None:
        """One that must be there, unless its deletion is asked for meanwhile."""
        kept = self.ledger.kept()
        if not kept:
            return
        package = self._random.choice(kept)

        def is_right(answer: httpx.Response) -> bool:
            missing = answer.status_code == 404
            if missing and package in self.ledger.kept():
                self.ledger.lost.append(package)
            return missing or answer.is_success

        await self._ask("get", "GET", f"{PACKAGES}/{package}", is_right=is_right)

    async def list(self) -> None:
        """A page."""
        await self._ask("list", "GET", PACKAGES, params={"limit": 5})

    async def _ask(
        self,
        what: str,
        method: str,
        path: str,
        *,
        is_right: Callable[[httpx.Response], bool] = lambda answer: answer.is_success,
        **more: Any,
    ) -> httpx.Response | None:
        try:
            answer = await self.client.request(method, path, **more)
        except httpx.HTTPError as error:
            self.ledger.failures[f"{what} {type(error).__name__}"] += 1
            return None
        if is_right(answer):
            self.ledger.done[what] += 1
        else:
            self.ledger.failures[f"{what} {answer.status_code}"] += 1
            if answer.status_code == 503 and "retry-after" not in answer.headers:
                self.ledger.unhinted[what] += 1
        return answer

    @contextlib.asynccontextmanager
    async def running(self, *, uploaders: int, deleters: int, readers: int) -> AsyncIterator[None]:
        """Goes on until the block ends; what is under way then is waited for."""
        ended = asyncio.Event()

        async def repeat(call: Callable[[], Coroutine[Any, Any, object]], pause: float) -> None:
            while not ended.is_set():
                await call()
                await asyncio.sleep(pause * self._random.random())

        async with asyncio.TaskGroup() as group:
            for call, number, pause in (
                (self.upload, uploaders, 0.1),
                (self.delete, deleters, 0.4),
                (self.get, readers, 0.02),
                (self.list, readers, 0.02),
            ):
                for _ in range(number):
                    group.create_task(repeat(call, pause))
            try:
                yield
            finally:
                ended.set()
