"""Storing statements of many callers at once: what waits is stored together, and each caller is told after the commit.

A caller's statements are stored all or none. What fails is halved until the failure is alone with its cause, so that
nobody fails with somebody else's statement. Ids are given before the first try, so that whatever may have been
committed can be tried again.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from uuid import UUID

from server.domain.errors import Conflict, Unavailable
from server.services.ports import Database, Query, Transaction
from server.services.statement_ports import Inserted, NewStatement, StatementStore

# Of one transaction. More make it no cheaper, and keep others waiting.
MOST_STATEMENTS = 1_000
MOST_BYTES = 4 * 1024 * 1024
# Two: while one waits for the disk, the other is at work.
TRANSACTIONS = 2
TRIES = 3
PAUSE_SECONDS = 0.05
# What waits is held in memory.
MOST_WAITING_BYTES = 128 * 1024 * 1024

TAKEN = "Another statement has this id already"

SameStatement = Callable[[str, NewStatement], bool]


@dataclass(eq=False, slots=True)
class _Submission:
    """What one caller wants stored."""

    tenant_id: UUID
    statements: Sequence[NewStatement]
    size_bytes: int
    done: "asyncio.Future[None]" = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class _Differing(Exception):
    """Some ids stand for other statements already."""

    def __init__(self, submissions: list[_Submission]) -> None:
        self.submissions = submissions


class StatementIngest:
    """One for each process. `same` says whether a statement is the same as one that is there, by its JSON."""

    def __init__(self, *, database: Database, statements: StatementStore, same: SameStatement) -> None:
        self._database = database
        self._store = statements
        self._same = same
        self._waiting: deque[_Submission] = deque()
        self._waiting_bytes = 0
        self._running: set[asyncio.Task[None]] = set()
        # Transactions and statements so far.
        self.batches = 0
        self.stored = 0

    async def store(self, statements: Sequence[NewStatement], *, tenant_id: UUID) -> None:
        """Stores all of them; returns once they are durable.

        Raises Conflict where one of the ids stands for another statement, and Unavailable.
        """
        if not statements:
            return
        size_bytes = sum(len(one.content) for one in statements)
        if self._waiting_bytes + size_bytes > MOST_WAITING_BYTES:
            raise Unavailable(retry_after_seconds=1)
        submission = _Submission(tenant_id, statements, size_bytes)
        self._waiting.append(submission)
        self._waiting_bytes += size_bytes
        if len(self._running) < TRANSACTIONS:
            task = asyncio.create_task(self._work())
            self._running.add(task)
            task.add_done_callback(self._running.discard)
        # Whoever goes does not take others' statements along.
        await asyncio.shield(submission.done)

    async def store_within(
        self, transaction: Transaction, statements: Sequence[NewStatement], *, tenant_id: UUID
    ) -> None:
        """As `store`, in a transaction of the caller's, who commits it."""
        submission = _Submission(tenant_id, statements, 0)
        _, inserted = await transaction.run_all(
            self._store.hold(tenant_id=tenant_id), self._store.insert(statements, tenant_id=tenant_id)
        )
        if len(inserted) < len(statements) and await self._differing(transaction, tenant_id, [submission], inserted):
            raise Conflict(TAKEN)
        for query in self._follow(tenant_id, statements, inserted):
            await transaction.run(query)

    async def drain(self) -> None:
        """Waits until nothing waits."""
        while self._running:
            await asyncio.gather(*self._running, return_exceptions=True)

    async def _work(self) -> None:
        while self._waiting:
            await self._store_all(self._take())

    def _take(self) -> list[_Submission]:
        """What is to be stored next, together. Of an id that comes twice, the second waits for the first."""
        taken: list[_Submission] = []
        named: set[tuple[UUID, UUID]] = set()
        count = size_bytes = 0
        while self._waiting:
            first = self._waiting[0]
            ids = {(first.tenant_id, one.id) for one in first.statements if one.is_named}
            count, size_bytes = count + len(first.statements), size_bytes + first.size_bytes
            if taken and (count > MOST_STATEMENTS or size_bytes > MOST_BYTES or not named.isdisjoint(ids)):
                break
            named |= ids
            taken.append(self._waiting.popleft())
            self._waiting_bytes -= first.size_bytes
        return taken

    async def _store_all(self, batch: list[_Submission]) -> None:
        """Stores the batch, and tells everyone in it what came of it."""
        try:
            await self._try(batch)
        except _Differing as differing:
            for one in differing.submissions:
                _fail(one, Conflict(TAKEN))
            await self._store_rest([one for one in batch if one not in differing.submissions])
        except Exception as error:
            if len(batch) == 1:
                _fail(batch[0], error)
                return
            middle = len(batch) // 2
            await self._store_rest(batch[:middle])
            await self._store_rest(batch[middle:])
        else:
            self.batches += 1
            for one in batch:
                self.stored += len(one.statements)
                if not one.done.done():
                    one.done.set_result(None)

    async def _store_rest(self, batch: list[_Submission]) -> None:
        if batch:
            await self._store_all(batch)

    async def _try(self, batch: list[_Submission]) -> None:
        for attempt in range(TRIES):
            try:
                await self._transact(batch)
                return
            except Unavailable:
                if attempt == TRIES - 1:
                    raise
                await asyncio.sleep(PAUSE_SECONDS * 2**attempt)

    async def _transact(self, batch: list[_Submission]) -> None:
        # In the order of their ids, as the statements of each: nobody waits for somebody who waits for them.
        ordered = sorted(batch, key=lambda one: one.tenant_id)
        groups = [(tenant, list(of_tenant)) for tenant, of_tenant in groupby(ordered, key=lambda one: one.tenant_id)]
        tenants = [tenant for tenant, _ in groups]
        async with self._database.write(*tenants) as transaction:
            given = [[one for submission in group for one in submission.statements] for _, group in groups]
            inserts = [self._store.insert(rows, tenant_id=tenant) for tenant, rows in zip(tenants, given, strict=True)]
            _, *answers = await transaction.run_all(self._store.hold(tenant_id=tenants[0]), *inserts)
            differing: list[_Submission] = []
            rest: list[Query[None]] = []
            for (tenant, group), rows, inserted in zip(groups, given, answers, strict=True):
                if len(inserted) < len(rows):
                    differing += await self._differing(transaction, tenant, group, inserted)
                rest += self._follow(tenant, rows, inserted)
            if differing:
                raise _Differing(differing)
            await transaction.finish(*rest)

    async def _differing(
        self, transaction: Transaction, tenant: UUID, group: list[_Submission], inserted: Iterable[Inserted]
    ) -> list[_Submission]:
        """Who gave an id that stands for another statement."""
        new = {one.id for one in inserted}
        there = {one.id: one for submission in group for one in submission.statements if one.id not in new}
        existing = await transaction.run(self._store.existing(list(there), tenant_id=tenant))
        others = {
            identifier
            for identifier, one in there.items()
            if identifier not in existing or not self._same(existing[identifier].content, one)
        }
        return [submission for submission in group if any(one.id in others for one in submission.statements)]

    def _follow(self, tenant: UUID, rows: Sequence[NewStatement], inserted: Iterable[Inserted]) -> list[Query[None]]:
        """What new statements do to those that they refer to, and that to them."""
        new = {one.id for one in inserted}
        voided = {one.id for one in inserted if one.is_referred_to}
        referring = []
        for row in rows:
            if row.facts.refers_to is not None and row.id in new:
                referring.append(row.id)
                if row.facts.is_voiding:
                    voided.add(row.facts.refers_to)
        queries = []
        if voided:
            queries.append(self._store.void(sorted(voided), tenant_id=tenant))
        if referring:
            queries.append(self._store.inherit(referring, tenant_id=tenant))
        return queries


def _fail(submission: _Submission, error: Exception) -> None:
    if submission.done.done():
        return
    submission.done.set_exception(error)
    # A caller who has gone does not look at it.
    submission.done.exception()
