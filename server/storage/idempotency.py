"""Idempotency keys: rows of `idempotency_keys`, running requests and answers alike."""

import json
from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, Integer, delete, literal_column, null, select, true, update
from sqlalchemy.dialects.postgresql import insert

from server.domain.idempotency import KeyedRequest
from server.services.idempotency_ports import Facts, Remembered
from server.services.ports import Query
from server.storage import tables
from server.storage.sql import any_row, first, nothing, param, statement
from server.storage.tables import idempotency_keys, tenants

_UNTIL = param("until", tables.TIME)
_FOUND = literal_column("1", Integer())
_THE_KEY = (
    idempotency_keys.c.tenant_id == param("tenant", tables.UUID),
    idempotency_keys.c.key_hash == param("key", tables.HASH),
)
# A claim is lost once another has it, and over once it is answered.
_THE_CLAIM = (
    *_THE_KEY,
    idempotency_keys.c.claim_id == param("claim", tables.UUID),
    idempotency_keys.c.facts.is_(None),
)

_FIND = statement(
    "idempotency_keys.find",
    select(idempotency_keys.c.fingerprint, idempotency_keys.c.facts, idempotency_keys.c.streamed_fingerprint).where(
        *_THE_KEY, idempotency_keys.c.expires_at > param("at", tables.TIME)
    ),
    first(lambda row: Remembered(bytes(row[0]), row[1], bytes(row[2]) if row[2] is not None else None)),
)
_new = insert(idempotency_keys).values(
    tenant_id=param("tenant", tables.UUID),
    key_hash=param("key", tables.HASH),
    fingerprint=param("request", tables.HASH),
    claim_id=param("claim", tables.UUID),
    expires_at=_UNTIL,
)
_CLAIM = statement(
    "idempotency_keys.claim",
    _new.on_conflict_do_update(
        constraint=idempotency_keys.primary_key,
        set_={
            "fingerprint": _new.excluded.fingerprint,
            "claim_id": _new.excluded.claim_id,
            "expires_at": _new.excluded.expires_at,
            "facts": null(),
            "streamed_fingerprint": null(),
        },
        where=idempotency_keys.c.expires_at <= param("at", tables.TIME),
    ).returning(_FOUND),
    any_row,
)
_EXTEND = statement(
    "idempotency_keys.extend",
    update(idempotency_keys).values(expires_at=_UNTIL).where(*_THE_CLAIM).returning(_FOUND),
    any_row,
)
_COMPLETE = statement(
    "idempotency_keys.complete",
    update(idempotency_keys)
    .values(
        facts=param("answer", tables.JSON),
        streamed_fingerprint=param("streamed", tables.HASH),
        expires_at=_UNTIL,
    )
    .where(*_THE_CLAIM)
    .returning(_FOUND),
    any_row,
)
_RELEASE = statement("idempotency_keys.release", delete(idempotency_keys).where(*_THE_CLAIM), nothing)

_EXPIRED = idempotency_keys.c.expires_at <= param("before", tables.TIME)
# Tenant by tenant, for the index leads by tenant.
_of_tenant = (
    select(idempotency_keys.c.key_hash)
    .where(idempotency_keys.c.tenant_id == tenants.c.tenant_id, _EXPIRED)
    .order_by(idempotency_keys.c.expires_at)
    .limit(param("limit", BigInteger()))
    .correlate(tenants)
    .lateral("of_tenant")
)
_due = select(tenants.c.tenant_id, _of_tenant.c.key_hash).select_from(tenants.join(_of_tenant, true())).cte("due")
_FORGET_EXPIRED = statement(
    "idempotency_keys.forget_expired",
    delete(idempotency_keys)
    .where(
        idempotency_keys.c.tenant_id == _due.c.tenant_id,
        idempotency_keys.c.key_hash == _due.c.key_hash,
        # Once more, for a request may have taken the key meanwhile.
        _EXPIRED,
    )
    .returning(_FOUND),
    len,
    across_tenants="the worker forgets the expired keys of all tenants",
)


class PostgresIdempotencyKeys:
    """Keeps `server.services.idempotency_ports.IdempotencyStore`."""

    def find(self, *, tenant_id: UUID, key_hash: bytes, at: datetime) -> Query[Remembered | None]:
        """What the key stands for now."""
        return _FIND.bind(tenant=tenant_id, key=key_hash, at=at)

    def claim(
        self, request: KeyedRequest, *, tenant_id: UUID, claim_id: UUID, at: datetime, until: datetime
    ) -> Query[bool]:
        """Takes the key for `claim_id`, unless it is taken. Waits for a transaction that is about to decide that."""
        return _CLAIM.bind(
            tenant=tenant_id,
            key=request.key_hash,
            request=request.fingerprint,
            claim=claim_id,
            at=at,
            until=until,
        )

    def extend(self, *, tenant_id: UUID, key_hash: bytes, claim_id: UUID, until: datetime) -> Query[bool]:
        """Says that the request goes on. False once another has the key."""
        return _EXTEND.bind(tenant=tenant_id, key=key_hash, claim=claim_id, until=until)

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
        return _COMPLETE.bind(
            answer=json.dumps(facts, ensure_ascii=False),
            tenant=tenant_id,
            key=key_hash,
            claim=claim_id,
            streamed=streamed_fingerprint,
            until=until,
        )

    def release(self, *, tenant_id: UUID, key_hash: bytes, claim_id: UUID) -> Query[None]:
        """Frees the key of a request that failed; of one that was committed after all it changes nothing."""
        return _RELEASE.bind(tenant=tenant_id, key=key_hash, claim=claim_id)

    def forget_expired(self, *, before: datetime, limit: int) -> Query[int]:
        """Deletes rows that expired, at most `limit` of each tenant, and says how many. Operator role."""
        return _FORGET_EXPIRED.bind(before=before, limit=limit)
