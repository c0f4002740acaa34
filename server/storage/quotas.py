"""Quotas: rows of `tenant_quotas`, limits and exact counters."""

from uuid import UUID

from sqlalchemy import literal_column, or_, select, update

from server.domain.api_keys import Plan, Tenant, TenantUsage
from server.services.ports import Query
from server.storage import tables
from server.storage.sql import Row, any_row, first, nothing, param, statement
from server.storage.tables import tenant_quotas, tenants

USAGE_COLUMNS = (
    tenants.c.tenant_id,
    tenants.c.name,
    tenants.c.plan,
    tenants.c.created_at,
    tenant_quotas.c.package_count,
    tenant_quotas.c.package_limit,
    tenant_quotas.c.stored_bytes,
    tenant_quotas.c.stored_bytes_limit,
)


def usage_of(row: Row) -> TenantUsage:
    """What a row of USAGE_COLUMNS says."""
    tenant_id, name, plan, created_at, package_count, package_limit, stored_bytes, stored_bytes_limit = row
    return TenantUsage(
        tenant=Tenant(id=tenant_id, name=name, plan=Plan(plan), created_at=created_at),
        package_count=package_count,
        package_limit=package_limit,
        stored_bytes=stored_bytes,
        stored_bytes_limit=stored_bytes_limit,
    )


_ITS_QUOTAS = tenant_quotas.c.tenant_id == param("tenant", tables.UUID)
_ONE = literal_column("1", tenant_quotas.c.package_count.type)
_SIZE = param("size", tables.BYTES)

# One conditional UPDATE: concurrent uploads wait for the row and judge by what the one before them left.
_CHARGE_PACKAGE = statement(
    "quotas.charge_package",
    update(tenant_quotas)
    .values(package_count=tenant_quotas.c.package_count + _ONE, stored_bytes=tenant_quotas.c.stored_bytes + _SIZE)
    .where(
        _ITS_QUOTAS,
        or_(
            tenant_quotas.c.package_limit.is_(None),
            tenant_quotas.c.package_count + _ONE <= tenant_quotas.c.package_limit,
        ),
        or_(
            tenant_quotas.c.stored_bytes_limit.is_(None),
            tenant_quotas.c.stored_bytes + _SIZE <= tenant_quotas.c.stored_bytes_limit,
        ),
    )
    .returning(_ONE),
    any_row,
)
_RELEASE_PACKAGE = statement(
    "quotas.release_package",
    update(tenant_quotas)
    .values(package_count=tenant_quotas.c.package_count - _ONE, stored_bytes=tenant_quotas.c.stored_bytes - _SIZE)
    .where(_ITS_QUOTAS),
    nothing,
)
_USAGE = statement(
    "quotas.usage",
    select(*USAGE_COLUMNS).where(_ITS_QUOTAS, tenants.c.tenant_id == param("tenant", tables.UUID)),
    first(usage_of),
)


class PostgresQuotas:
    """Keeps `server.services.ports.QuotaStore`."""

    def charge_package(self, *, tenant_id: UUID, stored_bytes: int) -> Query[bool]:
        """One conditional UPDATE: counts a package of that size, or answers False and counts nothing."""
        return _CHARGE_PACKAGE.bind(tenant=tenant_id, size=stored_bytes)

    def release_package(self, *, tenant_id: UUID, stored_bytes: int) -> Query[None]:
        """Takes a deleted package off."""
        return _RELEASE_PACKAGE.bind(tenant=tenant_id, size=stored_bytes)

    def usage(self, *, tenant_id: UUID) -> Query[TenantUsage | None]:
        """Counters and limits. Also the exact total of packages."""
        return _USAGE.bind(tenant=tenant_id)
