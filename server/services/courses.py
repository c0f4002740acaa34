"""Courses as they are played, kept in memory: the manifest of a package never changes."""

from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from uuid import UUID

from server.domain.sessions.course import Course
from server.services.ports import Database, Query, Transaction
from server.services.session_ports import CourseStore

# In characters of manifests; as objects they take several times as much.
MOST_KEPT = 16 * 1024 * 1024
Run = Callable[[Query[Course | None]], Awaitable[Course | None]]


@dataclass(slots=True, kw_only=True)
class Courses:
    """Finds courses. Whether the package is still there, others know."""

    database: Database
    store: CourseStore
    _kept: OrderedDict[UUID, Course] = field(default_factory=OrderedDict)
    _size: int = 0

    async def get(self, *, tenant_id: UUID, package_id: UUID) -> Course | None:
        """The course of a package; None if there is none of the tenant."""

        async def read(query: Query[Course | None]) -> Course | None:
            return await self.database.read(tenant_id, query)

        return await self._get(read, tenant_id, package_id)

    async def get_within(self, transaction: Transaction, *, tenant_id: UUID, package_id: UUID) -> Course | None:
        """As `get`, for who has a connection already: nobody waits for a second one while holding one."""
        return await self._get(transaction.run, tenant_id, package_id)

    async def _get(self, run: Run, tenant_id: UUID, package_id: UUID) -> Course | None:
        # Ids are unique over all tenants, and whoever asks has seen the package's row under its tenant.
        course = self._kept.get(package_id)
        if course is not None:
            self._kept.move_to_end(package_id)
            return course
        course = await run(self.store.course(tenant_id=tenant_id, package_id=package_id))
        if course is not None and package_id not in self._kept:
            self._keep(package_id, course)
        return course

    def _keep(self, package_id: UUID, course: Course) -> None:
        """Lets go of those that were not used for longest; whatever its size, this one stays."""
        self._kept[package_id] = course
        self._size += course.size
        while self._size > MOST_KEPT and len(self._kept) > 1:
            _, dropped = self._kept.popitem(last=False)
            self._size -= dropped.size
