"""Keeping the totals of sessions short, and removing those of deleted packages. The worker does both."""

from uuid import UUID

from server.services.ports import OperatorDatabase
from server.services.session_ports import SessionUpkeep

FOLD_BATCH = 10_000
DELETE_BATCH = 1_000


async def fold(*, database: OperatorDatabase, sessions: SessionUpkeep) -> int:
    """Counts every change that waits, in bounded transactions, and says how many there were. One at a time."""
    folded = 0
    while True:
        async with database.write() as transaction:
            counted = await transaction.run(sessions.fold(limit=FOLD_BATCH))
        folded += counted
        if counted < FOLD_BATCH:
            return folded


async def delete_package_sessions(
    *, database: OperatorDatabase, sessions: SessionUpkeep, tenant_id: UUID, package_id: UUID
) -> int:
    """Removes the sessions of a deleted package, in bounded transactions, and says how many. May be repeated."""
    deleted = 0
    while True:
        async with database.write() as transaction:
            removed = await transaction.run(
                sessions.delete_of_package(tenant_id=tenant_id, package_id=package_id, limit=DELETE_BATCH)
            )
        deleted += removed
        if removed < DELETE_BATCH:
            return deleted
