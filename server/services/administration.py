"""What operators do: tenants, keys, quotas and plans."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from server.domain.api_keys import SCOPES, ApiKey, KeyText, Plan, Tenant, TenantUsage
from server.domain.errors import ApiKeyNotFound, TenantNotFound, ValidationFailed
from server.domain.ids import new_id, parse_id
from server.services.ports import ApiKeyStore, Clock, OperatorDatabase, TenantStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Administration:
    """Every method raises TenantNotFound or ApiKeyNotFound for an id that is none."""

    database: OperatorDatabase
    tenants: TenantStore
    api_keys: ApiKeyStore
    clock: Clock
    pepper: bytes

    async def create_tenant(self, *, name: str) -> Tenant:
        """On plan `standard`, without quotas."""
        now = self.clock.now()
        tenant = Tenant(id=new_id(now), name=name, plan=Plan.STANDARD, created_at=now)
        async with self.database.write() as transaction:
            await transaction.run(self.tenants.insert(tenant))
        return tenant

    async def create_key(
        self, *, tenant_id: str, name: str, scopes: frozenset[str], expires_at: datetime | None
    ) -> tuple[ApiKey, KeyText]:
        """The key, and its text that is never to be had again. Raises ValidationFailed for an unknown scope."""
        now = self.clock.now()
        _check_key(scopes, expires_at, now)
        owner = _tenant(tenant_id)
        text = KeyText.mint(tenant_id=owner, key_id=new_id(now))
        key = ApiKey(id=text.key_id, tenant_id=owner, name=name, scopes=scopes, created_at=now, expires_at=expires_at)
        async with self.database.write() as transaction:
            if not await transaction.run(self.api_keys.insert(key, secret_hash=text.hash(self.pepper))):
                raise TenantNotFound
        return key, text

    async def list_keys(self, *, tenant_id: str | None) -> list[ApiKey]:
        """Newest first."""
        wanted = _tenant(tenant_id) if tenant_id else None
        return await self.database.read(self.api_keys.list(tenant_id=wanted))

    async def revoke_key(self, *, key_id: str) -> ApiKey:
        """Once revoked, repeating it changes nothing."""
        wanted = parse_id(key_id)
        if wanted is None:
            raise ApiKeyNotFound
        async with self.database.write() as transaction:
            key = await transaction.run(self.api_keys.revoke(key_id=wanted, at=self.clock.now()))
        if key is None:
            raise ApiKeyNotFound
        return key

    async def set_quota(
        self, *, tenant_id: str, package_limit: int | None, stored_bytes_limit: int | None
    ) -> TenantUsage:
        """None is unlimited. A quota below what is used stops new packages and removes none."""
        wanted = _tenant(tenant_id)
        change = self.tenants.set_quota(
            tenant_id=wanted, package_limit=package_limit, stored_bytes_limit=stored_bytes_limit
        )
        async with self.database.write() as transaction:
            usage = await transaction.run(change)
        if usage is None:
            raise TenantNotFound
        return usage

    async def set_plan(self, *, tenant_id: str, plan: Plan) -> Tenant:
        """In force as soon as the caches of keys have aged."""
        wanted = _tenant(tenant_id)
        async with self.database.write() as transaction:
            tenant = await transaction.run(self.tenants.set_plan(tenant_id=wanted, plan=plan))
        if tenant is None:
            raise TenantNotFound
        return tenant

    async def usage(self, *, tenant_id: str | None) -> list[TenantUsage]:
        """Of one tenant, or of all."""
        wanted = _tenant(tenant_id) if tenant_id else None
        found = await self.database.read(self.tenants.usage(tenant_id=wanted))
        if wanted is not None and not found:
            raise TenantNotFound
        return found


def _tenant(text: str) -> UUID:
    parsed = parse_id(text)
    if parsed is None:
        raise TenantNotFound
    return parsed


def _check_key(scopes: frozenset[str], expires_at: datetime | None, now: datetime) -> None:
    faults: dict[str, list[str]] = {}
    unknown = sorted(scopes - SCOPES)
    if unknown:
        faults["scopes"] = [f"Unknown: {', '.join(unknown)}. Known: {', '.join(sorted(SCOPES))}"]
    if expires_at is not None and expires_at <= now:
        faults["expires_at"] = ["Must lie in the future"]
    if faults:
        raise ValidationFailed(faults)
