"""Doing what an Idempotency-Key asks for once, and answering from that afterwards.

A key is completed in the transaction that makes the effect visible, so that neither exists without the other. Until
then it is only claimed: by that same transaction where all is done in one (`once`), or under a short lease where the
work takes long (`take`). Whoever finds its claim lost must roll back.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from server.domain.errors import IdempotencyConflict
from server.domain.idempotency import KeyedRequest
from server.domain.ids import new_id
from server.services.idempotency_ports import Facts, IdempotencyStore, Remembered
from server.services.ports import Clock, Database, OperatorDatabase, Query, Transaction

KEEP = timedelta(hours=24)
FORGET_BATCH = 1000


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a request is answered from, and whether that was done for an earlier one."""

    facts: Facts
    replayed: bool


@dataclass(frozen=True, slots=True)
class Claim:
    """A key that a running request has."""

    keys: IdempotencyStore
    tenant_id: UUID
    key_hash: bytes
    claim_id: UUID
    lease: timedelta

    def extend(self, *, at: datetime) -> Query[bool]:
        """Says that the request goes on. False once another has the key."""
        return self.keys.extend(
            tenant_id=self.tenant_id, key_hash=self.key_hash, claim_id=self.claim_id, until=at + self.lease
        )

    def complete(self, facts: Facts, *, at: datetime, streamed_fingerprint: bytes | None = None) -> Query[bool]:
        """Keeps the answer. To be run in the transaction of the effect, which is void where it answers False."""
        return self.keys.complete(
            facts,
            tenant_id=self.tenant_id,
            key_hash=self.key_hash,
            claim_id=self.claim_id,
            streamed_fingerprint=streamed_fingerprint,
            until=at + KEEP,
        )

    def release(self) -> Query[None]:
        """Frees the key, unless the request was committed after all."""
        return self.keys.release(tenant_id=self.tenant_id, key_hash=self.key_hash, claim_id=self.claim_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Idempotency:
    """Used by every use case that a POST reaches.

    `lease` is three signs of life of an upload, see `UploadLimits.beat_seconds`; a process that died blocks its keys so
    long.
    """

    database: Database
    keys: IdempotencyStore
    clock: Clock
    lease: timedelta = timedelta(seconds=30)

    async def once(
        self, *, tenant_id: UUID, request: KeyedRequest | None, work: Callable[[Transaction], Awaitable[Facts]]
    ) -> Outcome:
        """Runs `work` in one transaction, unless the request was answered before; without a request simply runs it.

        Of identical requests at the same time one works, and the others wait for its transaction. What `work` raises
        frees the key with everything else. Raises IdempotencyConflict.
        """
        async with self.database.write(tenant_id) as transaction:
            if request is None:
                return Outcome(await work(transaction), replayed=False)
            claim = self.new_claim(tenant_id=tenant_id, request=request)
            if not await self._take(transaction, claim, request):
                return Outcome(_facts_for(request, await self._held(transaction, claim)), replayed=True)
            facts = await work(transaction)
            if not await transaction.run(claim.complete(facts, at=self.clock.now())):
                raise IdempotencyConflict.running()
            return Outcome(facts, replayed=False)

    async def find(self, *, tenant_id: UUID, request: KeyedRequest) -> Remembered | None:
        """What an earlier identical request left; None if there was none. Raises IdempotencyConflict."""
        found = await self.database.read(
            tenant_id, self.keys.find(tenant_id=tenant_id, key_hash=request.key_hash, at=self.clock.now())
        )
        if found is not None:
            _facts_for(request, found)
        return found

    async def take(self, claim: Claim, request: KeyedRequest) -> None:
        """Takes the key for `lease`, to be extended. Raises IdempotencyConflict where another has it."""
        async with self.database.write(claim.tenant_id) as transaction:
            if not await self._take(transaction, claim, request):
                _facts_for(request, await self._held(transaction, claim))
                # Completed since `find`: the next try will see it.
                raise IdempotencyConflict.running()

    async def release(self, claim: Claim) -> None:
        """Frees the key if the claim has it. Waits for a COMMIT still under way, which may complete it after all."""
        async with self.database.write(claim.tenant_id) as transaction:
            await transaction.run(claim.release())

    def new_claim(self, *, tenant_id: UUID, request: KeyedRequest) -> Claim:
        """A claim that has nothing yet. Whatever becomes of `take`, it may be released."""
        return Claim(self.keys, tenant_id, request.key_hash, new_id(self.clock.now()), self.lease)

    async def _take(self, transaction: Transaction, claim: Claim, request: KeyedRequest) -> bool:
        now = self.clock.now()
        return await transaction.run(
            self.keys.claim(
                request, tenant_id=claim.tenant_id, claim_id=claim.claim_id, at=now, until=now + claim.lease
            )
        )

    async def _held(self, transaction: Transaction, claim: Claim) -> Remembered:
        found = await transaction.run(
            self.keys.find(tenant_id=claim.tenant_id, key_hash=claim.key_hash, at=self.clock.now())
        )
        if found is None:
            # Freed just now: the next try will have it.
            raise IdempotencyConflict.running()
        return found


def _facts_for(request: KeyedRequest, found: Remembered) -> Facts:
    """What the request is answered from. Raises IdempotencyConflict."""
    if found.fingerprint != request.fingerprint:
        raise IdempotencyConflict.another()
    if found.facts is None:
        raise IdempotencyConflict.running()
    return found.facts


async def forget_expired(*, database: OperatorDatabase, keys: IdempotencyStore, clock: Clock) -> int:
    """Deletes what expired, in bounded transactions, and says how much. May be repeated and run twice at once."""
    forgotten = 0
    while True:
        async with database.write() as transaction:
            deleted = await transaction.run(keys.forget_expired(before=clock.now(), limit=FORGET_BATCH))
        forgotten += deleted
        if not deleted:
            return forgotten
