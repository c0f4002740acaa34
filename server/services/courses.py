"""Courses as they are played, kept in memory: the manifest of a package never changes."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from uuid import UUID

from server.domain.manifest import from_json
from server.domain.sessions.course import Course
from server.services.ports import Database, Query, Transaction
from server.services.session_ports import CourseStore

# In characters of manifests; as objects they take several times as much.
MOST_KEPT = 16 * 1024 * 1024
# Beyond it reading a manifest takes long enough for others to notice.
_LONG = 64 * 1024
Run = Callable[[Query[str | None]], Awaitable[str | None]]


@dataclass(slots=True, kw_only=True)
class Courses:
    """Finds courses. Whether the package is still there, others know."""

    database: Database
    store: CourseStore
    _kept: OrderedDict[UUID, Course] = field(default_factory=OrderedDict)
    _size: int = 0
    _reading: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def get(self, *, tenant_id: UUID, package_id: UUID) -> Course | None:
        """The course of a package; None if there is none of the tenant."""

        async def read(query: Query[str | None]) -> str | None:
            return await self.database.read(tenant_id, query)

        return await self._get(read, tenant_id, package_id)

    async def get_within(self, transaction: Transaction, *, tenant_id: UUID, package_id: UUID) -> Course | None:
        """As `get`, for who has a connection already: nobody waits for a second one while holding one."""
        return await self._get(transaction.run, tenant_id, package_id)

    async def _get(self, run: Run, tenant_id: UUID, package_id: UUID) -> Course | None:
        # Ids are unique over all tenants, and whoever asks has seen the package's row under its tenant.
        if (course := self._known(package_id)) is not None:
            return course
        manifest = await run(self.store.manifest(tenant_id=tenant_id, package_id=package_id))
        if manifest is None:
            return None
        if len(manifest) < _LONG:
            return self._keep(package_id, _read(manifest))
        # One at a time: each keeps the interpreter busy.
        async with self._reading:
            known = self._known(package_id)
            return known or self._keep(package_id, await asyncio.to_thread(_read, manifest))

    def _known(self, package_id: UUID) -> Course | None:
        course = self._kept.get(package_id)
        if course is not None:
            self._kept.move_to_end(package_id)
        return course

    def _keep(self, package_id: UUID, course: Course) -> Course:
        """Lets go of those that were not used for longest; whatever its size, this one stays."""
        if (known := self._known(package_id)) is not None:
            return known
        self._kept[package_id] = course
        self._size += course.size
        while self._size > MOST_KEPT and len(self._kept) > 1:
            _, dropped = self._kept.popitem(last=False)
            self._size -= dropped.size
        return course


def _read(manifest: str) -> Course:
    return Course.of(from_json(manifest), size=len(manifest))
