"""What idempotent requests need of the database."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from server.domain.idempotency import KeyedRequest
from server.services.ports import Query

# Ids and plain facts that an answer is made of again; no secret and no signed URL. Values as JSON has them.
Facts = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Remembered:
    """What stands under a key: a request still running (no `facts`), or what it was answered from.

    `streamed_fingerprint` is of what arrived in the body of an upload, which no caller can tell beforehand.
    """

    fingerprint: bytes
    facts: Facts | None
    streamed_fingerprint: bytes | None


class IdempotencyStore(Protocol):
    """Rows of `idempotency_keys`. One beyond its `expires_at` counts as absent, running or not."""

    def find(self, *, tenant_id: UUID, key_hash: bytes, at: datetime) -> Query[Remembered | None]:
        """What the key stands for now."""
        ...

    def claim(
        self, request: KeyedRequest, *, tenant_id: UUID, claim_id: UUID, at: datetime, until: datetime
    ) -> Query[bool]:
        """Takes the key for `claim_id`, unless it is taken. Waits for a transaction that is about to decide that."""
        ...

    def extend(self, *, tenant_id: UUID, key_hash: bytes, claim_id: UUID, until: datetime) -> Query[bool]:
        """Says that the request goes on. False once another has the key."""
        ...

    def complete(
        self,
        facts: Facts,
        *,
        tenant_id: UUID,
        key_hash: bytes,
        claim_id: UUID,
        streamed_fingerprint: bytes | None,
        until: datetime,
    ) -> Query[bool]:
        """Keeps the answer, in the transaction of what it tells. False once another has the key."""
        ...

    def release(self, *, tenant_id: UUID, key_hash: bytes, claim_id: UUID) -> Query[None]:
        """Frees the key of a request that failed; of one that was committed after all it changes nothing."""
        ...

    def forget_expired(self, *, before: datetime, limit: int) -> Query[int]:
        """Deletes rows that expired, at most `limit` of each tenant, and says how many. Operator role."""
        ...
