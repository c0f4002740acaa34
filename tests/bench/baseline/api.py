"""GET package as somebody would write it with FastAPI: the same query, key check and links, behind the same gateway.

`python -m tests.bench.baseline.api SOCKET`, with the environment of a `serve` process.
"""

import hmac
import os
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import jwt
import psycopg
import uvicorn
from fastapi import Depends, FastAPI, Header, HTTPException, Response
from psycopg_pool import AsyncConnectionPool
from pydantic import BaseModel

from server.domain.api_keys import KeyText
from server.storage.signing import load_private_key, public_parts

KEY_SECONDS = 1.5
LINK_LIFETIME = timedelta(hours=25)
SET_TENANT = b"select set_config('app.tenants', $1, true)"
SELECT_KEY = (
    b"select secret_hash, scopes, expires_at, revoked_at from api_keys where tenant_id = $1 and api_key_id = $2"
)
SELECT_PACKAGE = (
    b"select package_id, tenant_id, title, version, launch_path, manifest_path, file_size_bytes, uploaded_by,"
    b" created_at, updated_at, revision, failed_completes, mastery_overrides_status, metadata from packages"
    b" where tenant_id = $1 and package_id = $2"
)

PEPPER = Path(os.environ["API_KEY_PEPPER_FILE"]).read_bytes().strip()
SIGNING_KEY = load_private_key(Path(os.environ["CONTENT_SIGNING_KEY_FILE"]))
KEY_ID, _ = public_parts(SIGNING_KEY)
CONTENT_URL = os.environ["CONTENT_BASE_URL"]

Connection = psycopg.AsyncConnection[tuple[Any, ...]]
pool: AsyncConnectionPool[Connection] = AsyncConnectionPool(
    os.environ["DATABASE_URL"],
    connection_class=psycopg.AsyncConnection[tuple[Any, ...]],
    kwargs={"autocommit": True, "cursor_factory": psycopg.AsyncRawCursor},
    min_size=8,
    max_size=8,
    open=False,
)


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


@dataclass(frozen=True)
class Caller:
    tenant_id: UUID
    scopes: frozenset[str]
    checked_at: float


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    async with pool:
        await pool.wait()
        yield


app = FastAPI(lifespan=lifespan)
known: dict[str, Caller] = {}


async def read(tenant_id: UUID, query: bytes, parameters: tuple[object, ...]) -> tuple[Any, ...] | None:
    async with pool.connection() as connection, connection.pipeline():
        await connection.cursor().execute(SET_TENANT, (f"{{{tenant_id}}}",), prepare=True)
        cursor = connection.cursor(binary=True)
        await cursor.execute(query, parameters, prepare=True)
        return await cursor.fetchone()


async def caller(x_api_key: Annotated[str, Header()]) -> Caller:
    found = known.get(x_api_key)
    if found is not None and time.monotonic() - found.checked_at < KEY_SECONDS:
        return found
    checked_at, key = time.monotonic(), KeyText.parse(x_api_key)
    row = key and await read(key.tenant_id, SELECT_KEY, (key.tenant_id, key.key_id))
    if not key or not row or not hmac.compare_digest(row[0], key.hash(PEPPER)):
        raise HTTPException(401)
    _, scopes, expires_at, revoked_at = row
    if revoked_at is not None or (expires_at is not None and expires_at <= datetime.now(UTC)):
        raise HTTPException(401)
    known[x_api_key] = found = Caller(key.tenant_id, frozenset(scopes), checked_at)
    return found


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


@app.get("/api/v1/packages/{package_id}", response_model_exclude_none=True)
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


if __name__ == "__main__":
    uvicorn.run(app, uds=sys.argv[1], loop="uvloop", http="httptools", access_log=False, log_level="warning")
