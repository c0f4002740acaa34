"""GET package."""

import os
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Annotated
from uuid import UUID

import jwt
from fastapi import APIRouter, Depends, HTTPException, Response
from pydantic import BaseModel

from server.storage.signing import load_private_key, public_parts
from tests.bench.baseline.database import read
from tests.bench.baseline.keys import Caller, caller

LINK_LIFETIME = timedelta(hours=25)
SELECT_PACKAGE = (
    b"select package_id, tenant_id, title, version, launch_path, manifest_path, file_size_bytes, uploaded_by,"
    b" created_at, updated_at, revision, failed_completes, mastery_overrides_status, metadata from packages"
    b" where tenant_id = $1 and package_id = $2"
)

SIGNING_KEY = load_private_key(Path(os.environ["CONTENT_SIGNING_KEY_FILE"]))
KEY_ID, _ = public_parts(SIGNING_KEY)
CONTENT_URL = os.environ["CONTENT_BASE_URL"]

router = APIRouter()


class Organization(BaseModel):
    identifier: str
    title: str
    default: bool


class Item(BaseModel):
    identifier: str
    title: str
    href: str | None = None
    scorm_type: str | None = None
    visible: bool
    children: list["Item"]


class Metadata(BaseModel):
    description: str
    sco_count: int
    schema_version: str
    organizations: list[Organization]
    items: list[Item]
    mastery_score: float | None = None
    language: str | None = None
    warnings: list[str]


class Settings(BaseModel):
    failed_completes: bool
    mastery_overrides_status: bool


class Package(BaseModel):
    id: UUID
    tenant_id: UUID
    title: str
    version: str
    launch_url: str
    manifest_url: str
    file_size_bytes: float
    metadata: Metadata
    created_at: datetime
    updated_at: datetime
    uploaded_by: str | None = None
    launch_url_expires_at: datetime
    settings: Settings


@lru_cache(maxsize=4096)
def token(tenant_id: UUID, package_id: UUID, hour: datetime) -> str:
    claims = {
        "iss": "scorm-api",
        "aud": "content",
        "jti": f"{package_id}.{int(hour.timestamp())}",
        "tenant": str(tenant_id),
        "package": str(package_id),
        "prefix": f"tenants/{tenant_id}/packages/{package_id}/content",
        "fa": ["'self'", os.environ["BASE_URL"]],
        "iat": int(hour.timestamp()),
        "exp": int((hour + LINK_LIFETIME).timestamp()),
    }
    return jwt.encode(claims, SIGNING_KEY, algorithm="EdDSA", headers={"kid": KEY_ID})


@router.get("/api/v1/packages/{package_id}", response_model_exclude_none=True)
async def get_package(package_id: UUID, caller: Annotated[Caller, Depends(caller)], response: Response) -> Package:
    if "read" not in caller.scopes:
        raise HTTPException(403)
    row = await read(caller.tenant_id, SELECT_PACKAGE, (caller.tenant_id, package_id))
    if row is None:
        raise HTTPException(404)
    identifier, tenant_id, title, version, launch_path, manifest_path, size, by, created, updated = row[:10]
    revision, failed_completes, mastery_overrides_status, metadata = row[10:]
    response.headers["etag"] = f'"{revision}"'
    hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    root = f"{CONTENT_URL}/content/{token(tenant_id, identifier, hour)}"
    return Package(
        id=identifier,
        tenant_id=tenant_id,
        title=title,
        version=version,
        launch_url=f"{root}/{launch_path}",
        manifest_url=f"{root}/{manifest_path}",
        file_size_bytes=size,
        metadata=Metadata.model_validate(metadata),
        created_at=created,
        updated_at=updated,
        uploaded_by=by,
        launch_url_expires_at=hour + LINK_LIFETIME,
        settings=Settings(failed_completes=failed_completes, mastery_overrides_status=mastery_overrides_status),
    )
