"""Tenants, with their quotas. For the operator."""

from uuid import UUID

from sqlalchemy import func, insert, select, update

from server.domain.api_keys import Plan, Tenant, TenantUsage
from server.services.ports import Query
from server.storage import tables
from server.storage.quotas import USAGE_COLUMNS, usage_of
from server.storage.sql import Row, every, first, nothing, param, statement
from server.storage.tables import tenant_quotas, tenants


def _tenant(row: Row) -> Tenant:
    tenant_id, name, plan, created_at = row
    return Tenant(id=tenant_id, name=name, plan=Plan(plan), created_at=created_at)


_THE_TENANT = tenants.c.tenant_id == param("tenant", tables.UUID)
_ITS_QUOTAS = tenant_quotas.c.tenant_id == param("tenant", tables.UUID)

_created = (
    insert(tenants)
    .values(
        tenant_id=param("tenant", tables.UUID),
        name=param("new_name", tenants.c.name.type),
        plan=param("new_plan", tenants.c.plan.type),
        created_at=param("at", tables.TIME),
        updated_at=param("at", tables.TIME),
    )
    .returning(tenants.c.tenant_id)
    .cte("created")
)
_INSERT = statement(
    "tenants.insert",
    insert(tenant_quotas).from_select(["tenant_id"], select(_created.c.tenant_id)),
    nothing,
)
_SET_QUOTA = statement(
    "tenants.set_quota",
    update(tenant_quotas)
    .values(
        package_limit=param("new_package_limit", tenant_quotas.c.package_limit.type),
        stored_bytes_limit=param("new_stored_bytes_limit", tables.BYTES),
    )
    .where(_ITS_QUOTAS, _THE_TENANT)
    .returning(*USAGE_COLUMNS),
    first(usage_of),
)
_SET_PLAN = statement(
    "tenants.set_plan",
    update(tenants)
    .values(plan=param("new_plan", tenants.c.plan.type), updated_at=func.now())
    .where(_THE_TENANT)
    .returning(tenants.c.tenant_id, tenants.c.name, tenants.c.plan, tenants.c.created_at),
    first(_tenant),
)
_USAGE = statement("tenants.usage", select(*USAGE_COLUMNS).where(_THE_TENANT, _ITS_QUOTAS), every(usage_of))
_USAGE_OF_ALL = statement(
    "tenants.usage_of_all",
    select(*USAGE_COLUMNS)
    .where(tenants.c.tenant_id == tenant_quotas.c.tenant_id)
    .order_by(tenants.c.created_at, tenants.c.tenant_id),
    every(usage_of),
    across_tenants="the operator asks for the usage of all tenants",
)


class PostgresTenants:
    """Keeps `server.services.ports.TenantStore`."""

    def insert(self, tenant: Tenant) -> Query[None]:
        """With an empty row of quotas."""
        return _INSERT.bind(tenant=tenant.id, new_name=tenant.name, new_plan=tenant.plan.value, at=tenant.created_at)

    def set_quota(
        self, *, tenant_id: UUID, package_limit: int | None, stored_bytes_limit: int | None
    ) -> Query[TenantUsage | None]:
        """Sets both; None is unlimited. Answers None if there is no such tenant."""
        return _SET_QUOTA.bind(
            tenant=tenant_id, new_package_limit=package_limit, new_stored_bytes_limit=stored_bytes_limit
        )

    def set_plan(self, *, tenant_id: UUID, plan: Plan) -> Query[Tenant | None]:
        """Answers None if there is no such tenant."""
        return _SET_PLAN.bind(tenant=tenant_id, new_plan=plan.value)

    def usage(self, *, tenant_id: UUID | None) -> Query[list[TenantUsage]]:
        """Of one tenant or all, oldest first."""
        return _USAGE_OF_ALL.bind() if tenant_id is None else _USAGE.bind(tenant=tenant_id)
