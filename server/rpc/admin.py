"""The servicer of `scorm.v1.AdminService`."""

from datetime import UTC, datetime
from typing import Any

import grpc
from google.protobuf.timestamp_pb2 import Timestamp

from server.domain.api_keys import ApiKey, Plan, Tenant, TenantUsage
from server.gen.scorm.v1 import admin_service_pb2 as pb
from server.gen.scorm.v1 import admin_service_pb2_grpc, api_key_pb2, tenant_pb2
from server.rpc.times import timestamp
from server.services.administration import Administration

Context = grpc.aio.ServicerContext[Any, Any]


class AdminServicer(admin_service_pb2_grpc.AdminServiceServicer):
    """Converts, calls, converts."""

    def __init__(self, administration: Administration) -> None:
        self._administration = administration

    async def CreateTenant(self, request: pb.CreateTenantRequest, context: Context) -> pb.CreateTenantResponse:
        tenant = await self._administration.create_tenant(name=request.name)
        return pb.CreateTenantResponse(tenant=_tenant(tenant))

    async def CreateApiKey(self, request: pb.CreateApiKeyRequest, context: Context) -> pb.CreateApiKeyResponse:
        key, text = await self._administration.create_key(
            tenant_id=request.tenant_id,
            name=request.name,
            scopes=frozenset(request.scopes),
            expires_at=request.expires_at.ToDatetime(UTC) if request.HasField("expires_at") else None,
        )
        return pb.CreateApiKeyResponse(api_key=_api_key(key), secret=str(text))

    async def ListApiKeys(self, request: pb.ListApiKeysRequest, context: Context) -> pb.ListApiKeysResponse:
        keys = await self._administration.list_keys(tenant_id=request.tenant_id or None)
        return pb.ListApiKeysResponse(api_keys=[_api_key(key) for key in keys])

    async def RevokeApiKey(self, request: pb.RevokeApiKeyRequest, context: Context) -> pb.RevokeApiKeyResponse:
        key = await self._administration.revoke_key(key_id=request.api_key_id)
        return pb.RevokeApiKeyResponse(api_key=_api_key(key))

    async def SetQuota(self, request: pb.SetQuotaRequest, context: Context) -> pb.SetQuotaResponse:
        usage = await self._administration.set_quota(
            tenant_id=request.tenant_id,
            package_limit=request.package_limit if request.HasField("package_limit") else None,
            stored_bytes_limit=int(request.stored_bytes_limit) if request.HasField("stored_bytes_limit") else None,
        )
        return pb.SetQuotaResponse(usage=_usage(usage))

    async def SetPlan(self, request: pb.SetPlanRequest, context: Context) -> pb.SetPlanResponse:
        plan = Plan(tenant_pb2.Plan.Name(request.plan).removeprefix("PLAN_").lower())
        tenant = await self._administration.set_plan(tenant_id=request.tenant_id, plan=plan)
        return pb.SetPlanResponse(tenant=_tenant(tenant))

    async def GetUsage(self, request: pb.GetUsageRequest, context: Context) -> pb.GetUsageResponse:
        found = await self._administration.usage(tenant_id=request.tenant_id or None)
        return pb.GetUsageResponse(tenants=[_usage(usage) for usage in found])


def _tenant(tenant: Tenant) -> tenant_pb2.Tenant:
    return tenant_pb2.Tenant(
        id=str(tenant.id),
        name=tenant.name,
        plan=f"PLAN_{tenant.plan.name}",
        created_at=_timestamp(tenant.created_at),
    )


def _usage(usage: TenantUsage) -> tenant_pb2.TenantUsage:
    return tenant_pb2.TenantUsage(
        tenant=_tenant(usage.tenant),
        package_count=usage.package_count,
        package_limit=usage.package_limit,
        stored_bytes=usage.stored_bytes,
        stored_bytes_limit=usage.stored_bytes_limit,
    )


def _api_key(key: ApiKey) -> api_key_pb2.ApiKey:
    return api_key_pb2.ApiKey(
        id=str(key.id),
        tenant_id=str(key.tenant_id),
        name=key.name,
        scopes=sorted(key.scopes),
        created_at=_timestamp(key.created_at),
        expires_at=_timestamp(key.expires_at),
        revoked_at=_timestamp(key.revoked_at),
        last_used_at=_timestamp(key.last_used_at),
    )


def _timestamp(at: datetime | None) -> Timestamp | None:
    return None if at is None else timestamp(at)
