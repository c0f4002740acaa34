"""Keeping track of up to where the store of statements is complete. The worker does it, one at a time."""

from typing import Protocol

from server.domain.errors import Unavailable
from server.services.ports import OperatorDatabase, Query

# Tries that hinder nobody, before those who store statements are made to wait a moment.
TRIES = 3


class StatementUpkeep(Protocol):
    """What the worker does with rows of statements. Operator role."""

    def try_to_settle(self) -> Query[bool]:
        """Settles everything if nobody is storing statements right now."""
        ...

    def settle(self) -> tuple[Query[None], ...]:
        """The queries of a transaction that waits until nobody is storing statements, and settles everything."""
        ...


async def settle(*, database: OperatorDatabase, statements: StatementUpkeep) -> bool:
    """Moves what is settled up to now, and says whether it could: not where somebody stores for longer than 50 ms."""
    for _ in range(TRIES):
        if await database.read(statements.try_to_settle()):
            return True
    try:
        async with database.write() as transaction:
            await transaction.run_all(*statements.settle())
    except Unavailable:
        return False
    return True
