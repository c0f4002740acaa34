"""Who is calling: API keys are looked up by tenant and judged, at most 1.5 seconds ago."""

import asyncio
import hmac
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from server.domain.api_keys import KeyIdentity, KeyText, Plan, lrs_permissions
from server.domain.errors import DomainError, MissingScope, Unauthorized
from server.services.ports import ApiKeyStore, Clock, Database

# Together with the gateway's 3 seconds this keeps a revoked key's life below 5.
CACHE_AGE = timedelta(seconds=1.5)
CACHE_SIZE = 10_000
TOUCH_AGE = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class Caller:
    """An authenticated API key."""

    tenant_id: UUID
    key_id: UUID
    plan: Plan
    scopes: frozenset[str]
    expires_at: datetime | None

    def require(self, scope: str, *, lrs_resource: str | None = None) -> None:
        """Raises MissingScope unless the key has `scope`, or of a resource of the LRS a scope that stands for it."""
        if scope in self.scopes:
            return
        if lrs_resource is None or f"lrs/{lrs_resource}/{scope}" not in lrs_permissions(self.scopes):
            raise MissingScope(scope)


@dataclass(frozen=True, slots=True)
class _Known:
    identity: KeyIdentity
    as_of: datetime


class Authenticator:
    """Turns the text of an API key into its caller."""

    def __init__(self, *, database: Database, api_keys: ApiKeyStore, clock: Clock, pepper: bytes) -> None:
        self._database = database
        self._api_keys = api_keys
        self._clock = clock
        self._pepper = pepper
        self._known: OrderedDict[str, _Known] = OrderedDict()
        self._lookups: dict[str, asyncio.Task[_Known]] = {}
        self._touches: set[asyncio.Task[None]] = set()
        # Keys that were known, and keys that had to be looked up.
        self.hits = 0
        self.misses = 0

    async def authenticate(self, text: str | None) -> Caller:
        """Raises Unauthorized for whatever is no live key, and Unavailable or DatabaseFailed if it cannot be known."""
        now = self._clock.now()
        known = self._known.get(text) if text else None
        if known is None or now - known.as_of > CACHE_AGE:
            self.misses += 1
            known = await self._look_up(text)
        else:
            self.hits += 1
        if not known.identity.is_live(now):
            raise Unauthorized
        found = known.identity
        return Caller(found.tenant_id, found.key_id, found.plan, found.scopes, found.expires_at)

    async def _look_up(self, text: str | None) -> _Known:
        key = KeyText.parse(text) if text else None
        if text is None or key is None:
            raise Unauthorized
        lookup = self._lookups.get(text)
        if lookup is None:
            lookup = asyncio.create_task(self._fetch(text, key))
            self._lookups[text] = lookup
            lookup.add_done_callback(lambda _: self._lookups.pop(text, None))
        # Many callers share one look-up; one of them leaving must not cancel it for the others.
        return await asyncio.shield(lookup)

    async def _fetch(self, text: str, key: KeyText) -> _Known:
        as_of = self._clock.now()
        identity = await self._database.read(
            key.tenant_id, self._api_keys.identity(tenant_id=key.tenant_id, key_id=key.key_id)
        )
        if identity is None or not hmac.compare_digest(identity.secret_hash, key.hash(self._pepper)):
            self._known.pop(text, None)
            raise Unauthorized
        known = _Known(identity, as_of)
        self._known[text] = known
        self._known.move_to_end(text)
        if len(self._known) > CACHE_SIZE:
            self._known.popitem(last=False)
        if identity.is_live(as_of):
            self._touch(identity, as_of)
        return known

    def _touch(self, identity: KeyIdentity, at: datetime) -> None:
        if identity.last_used_at is not None and at - identity.last_used_at < TOUCH_AGE:
            return
        task = asyncio.create_task(self._write_touch(identity, at))
        self._touches.add(task)
        task.add_done_callback(self._touches.discard)

    async def _write_touch(self, identity: KeyIdentity, at: datetime) -> None:
        try:
            async with self._database.write(identity.tenant_id) as transaction:
                touch = self._api_keys.touch(tenant_id=identity.tenant_id, key_id=identity.key_id, at=at)
                await transaction.run(touch)
        except DomainError:
            # The time of last use is a courtesy; the next look-up writes it.
            return

    async def close(self) -> None:
        """Waits for what is still being written."""
        await asyncio.gather(*self._touches, return_exceptions=True)
