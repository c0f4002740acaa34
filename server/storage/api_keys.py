"""API keys: rows of `api_keys`."""

import builtins
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import func, insert, or_, select, update

from server.domain.api_keys import ApiKey, KeyIdentity, Plan
from server.services.ports import Query
from server.storage import tables
from server.storage.sql import Row, any_row, every, first, nothing, param, statement
from server.storage.tables import api_keys, tenants

_TOUCH_INTERVAL = timedelta(minutes=1)


def _identity(row: Row) -> KeyIdentity:
    key_id, tenant_id, plan, scopes, secret_hash, expires_at, revoked_at, last_used_at = row
    return KeyIdentity(
        key_id=key_id,
        tenant_id=tenant_id,
        plan=Plan(plan),
        scopes=frozenset(scopes),
        secret_hash=secret_hash,
        expires_at=expires_at,
        revoked_at=revoked_at,
        last_used_at=last_used_at,
    )


def _api_key(row: Row) -> ApiKey:
    key_id, tenant_id, name, scopes, created_at, expires_at, revoked_at, last_used_at = row
    return ApiKey(
        id=key_id,
        tenant_id=tenant_id,
        name=name,
        scopes=frozenset(scopes),
        created_at=created_at,
        expires_at=expires_at,
        revoked_at=revoked_at,
        last_used_at=last_used_at,
    )


_COLUMNS = (
    api_keys.c.api_key_id,
    api_keys.c.tenant_id,
    api_keys.c.name,
    api_keys.c.scopes,
    api_keys.c.created_at,
    api_keys.c.expires_at,
    api_keys.c.revoked_at,
    api_keys.c.last_used_at,
)
_TENANT = param("tenant", tables.UUID)
_THE_KEY = (api_keys.c.tenant_id == _TENANT, api_keys.c.api_key_id == param("key", tables.UUID))
_NEWEST_FIRST = (api_keys.c.created_at.desc(), api_keys.c.api_key_id.desc())

_IDENTITY = statement(
    "api_keys.identity",
    select(
        api_keys.c.api_key_id,
        api_keys.c.tenant_id,
        tenants.c.plan,
        api_keys.c.scopes,
        api_keys.c.secret_hash,
        api_keys.c.expires_at,
        api_keys.c.revoked_at,
        api_keys.c.last_used_at,
    ).where(*_THE_KEY, tenants.c.tenant_id == _TENANT),
    first(_identity),
)
_TOUCH = statement(
    "api_keys.touch",
    update(api_keys)
    .values(last_used_at=param("at", tables.TIME))
    .where(*_THE_KEY, or_(api_keys.c.last_used_at.is_(None), api_keys.c.last_used_at < param("before", tables.TIME))),
    nothing,
)
_INSERTED = ("tenant_id", "api_key_id", "name", "secret_hash", "scopes", "created_at", "expires_at")
_INSERT = statement(
    "api_keys.insert",
    insert(api_keys)
    .from_select(
        list(_INSERTED),
        select(tenants.c.tenant_id, *(param(f"new_{name}", api_keys.c[name].type) for name in _INSERTED[1:])).where(
            tenants.c.tenant_id == _TENANT
        ),
    )
    .returning(api_keys.c.api_key_id),
    any_row,
)
_LIST = statement(
    "api_keys.list", select(*_COLUMNS).where(api_keys.c.tenant_id == _TENANT).order_by(*_NEWEST_FIRST), every(_api_key)
)
_LIST_OF_ALL = statement(
    "api_keys.list_of_all",
    select(*_COLUMNS).order_by(*_NEWEST_FIRST),
    every(_api_key),
    across_tenants="the operator asks for the keys of all tenants",
)
_REVOKE = statement(
    "api_keys.revoke",
    update(api_keys)
    .values(revoked_at=func.coalesce(api_keys.c.revoked_at, param("at", tables.TIME)))
    .where(api_keys.c.api_key_id == param("key", tables.UUID))
    .returning(*_COLUMNS),
    first(_api_key),
    across_tenants="the operator revokes by the id of a key alone; rare, so that a scan is fine",
)


class PostgresApiKeys:
    """Keeps `server.services.ports.ApiKeyStore`."""

    def identity(self, *, tenant_id: UUID, key_id: UUID) -> Query[KeyIdentity | None]:
        """What authentication needs, with the tenant's plan. Revoked and expired keys too: the caller judges."""
        return _IDENTITY.bind(tenant=tenant_id, key=key_id)

    def touch(self, *, tenant_id: UUID, key_id: UUID, at: datetime) -> Query[None]:
        """Sets last_used_at, unless it was set within the minute before."""
        return _TOUCH.bind(tenant=tenant_id, key=key_id, at=at, before=at - _TOUCH_INTERVAL)

    def insert(self, key: ApiKey, *, secret_hash: bytes) -> Query[bool]:
        """False if there is no such tenant. Operator role."""
        return _INSERT.bind(
            tenant=key.tenant_id,
            new_api_key_id=key.id,
            new_name=key.name,
            new_secret_hash=secret_hash,
            new_scopes=sorted(key.scopes),
            new_created_at=key.created_at,
            new_expires_at=key.expires_at,
        )

    def list(self, *, tenant_id: UUID | None) -> Query[builtins.list[ApiKey]]:
        """Newest first. Operator role."""
        return _LIST_OF_ALL.bind() if tenant_id is None else _LIST.bind(tenant=tenant_id)

    def revoke(self, *, key_id: UUID, at: datetime) -> Query[ApiKey | None]:
        """Sets revoked_at once; None if there is no such key. Operator role."""
        return _REVOKE.bind(key=key_id, at=at)
