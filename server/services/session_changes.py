"""What all changes of sessions have in common: each is stored whole, with its statements and what it adds to totals."""

from dataclasses import dataclass
from uuid import UUID

from server.domain.errors import SessionNotFound
from server.domain.sessions.course import Course
from server.domain.sessions.model import ItemState, Launch, Session
from server.domain.sessions.statements import Statement
from server.services.courses import Courses
from server.services.ports import Query, Transaction
from server.services.session_ports import LaunchStore, SessionItemStore, SessionStore, StatementStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Stores:
    """Where sessions are."""

    sessions: SessionStore
    items: SessionItemStore
    launches: LaunchStore
    statements: StatementStore
    courses: Courses


async def course_of(stores: Stores, transaction: Transaction, session: Session) -> Course:
    """What the session plays. Raises SessionNotFound where the package has just gone."""
    course = await stores.courses.get_within(transaction, tenant_id=session.tenant_id, package_id=session.package_id)
    if course is None:
        raise SessionNotFound
    return course


async def store_change(
    stores: Stores,
    transaction: Transaction,
    *,
    before: Session,
    after: Session,
    item: ItemState | None = None,
    launch: Launch | None = None,
    statements: list[Statement],
) -> None:
    """Stores a change of a locked session and commits. Raises SessionNotFound where the package has just gone."""
    ids = {"tenant_id": after.tenant_id, "session_id": after.id}
    queries: list[Query[None]] = [stores.sessions.save(after)]
    if item is not None:
        queries.append(stores.items.save(item, **ids))
    if launch is not None:
        queries.append(stores.launches.save(launch, **ids))
    if statements:
        queries += stores.statements.add(statements, tenant_id=after.tenant_id)
    if _moves(before, after):
        await hold_package(stores, transaction, tenant_id=after.tenant_id, package_id=after.package_id)
        queries.append(
            stores.sessions.count(
                [(before.standing, -1), (after.standing, 1)], tenant_id=after.tenant_id, package_id=after.package_id
            )
        )
    await transaction.finish(*queries)


async def hold_package(stores: Stores, transaction: Transaction, *, tenant_id: UUID, package_id: UUID) -> None:
    """Keeps the totals of a package that is being deleted right. Raises SessionNotFound where it has gone."""
    if await transaction.run(stores.sessions.hold_package(tenant_id=tenant_id, package_id=package_id)) is None:
        raise SessionNotFound


def _moves(before: Session, after: Session) -> bool:
    """Whether it counts under another status."""
    was, now = before.standing, after.standing
    return (was.completion, was.success) != (now.completion, now.success)
