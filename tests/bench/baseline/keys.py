"""The key check of the baseline, kept for a moment as ours."""

import hmac
import os
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated
from uuid import UUID

from fastapi import Header, HTTPException

from server.domain.api_keys import KeyText
from tests.bench.baseline.database import read

KEY_SECONDS = 1.5
SELECT_KEY = (
    b"select secret_hash, scopes, expires_at, revoked_at from api_keys where tenant_id = $1 and api_key_id = $2"
)
PEPPER = Path(os.environ["API_KEY_PEPPER_FILE"]).read_bytes().strip()


@dataclass(frozen=True)
class Caller:
    tenant_id: UUID
    scopes: frozenset[str]
    checked_at: float


known: dict[str, Caller] = {}


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
