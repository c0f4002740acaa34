"""The credential that the gateway shows to Cloud Storage."""

import asyncio
import json
import os
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import google.auth
from google.auth.exceptions import GoogleAuthError
from google.auth.transport.requests import Request

from server.domain.errors import Unavailable

# Google's tokens live for an hour. One that is renewed this early is never shown when it has ended.
RENEWAL_MARGIN = timedelta(minutes=10)
RETRY_SECONDS = 10
_READ_ONLY = "https://www.googleapis.com/auth/devstorage.read_only"


@dataclass(frozen=True, slots=True)
class AccessToken:
    """An OAuth access token and when it stops."""

    token: str
    expires_at: datetime


def fresh_access_token() -> AccessToken:
    """A new token of the default credentials that may read objects. Blocking. Raises Unavailable."""
    try:
        credentials, _ = google.auth.default(scopes=[_READ_ONLY])
        credentials.refresh(Request())  # type: ignore[no-untyped-call]  # google-auth annotates half of itself
    except GoogleAuthError as fault:
        raise Unavailable from fault
    if credentials.token is None or credentials.expiry is None:
        raise Unavailable
    # google-auth keeps naive datetimes that mean UTC.
    return AccessToken(token=credentials.token, expires_at=credentials.expiry.replace(tzinfo=UTC))


def write_credential(path: Path, token: str) -> None:
    """Replaces the file that Envoy's credential injector watches (SDS), at once and readable by its owner only."""
    secret = {
        "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret",
        "name": "storage_credential",
        "generic_secret": {"secret": {"inline_string": f"Bearer {token}"}},
    }
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle, beside = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    with os.fdopen(handle, "w") as file:
        file.write(json.dumps({"resources": [secret]}, indent=1) + "\n")
    os.replace(beside, path)


async def keep_credential(path: Path) -> None:
    """Writes a token and writes the next before it ends; never returns. Raises Unavailable if there is none now."""
    while True:
        fresh = await asyncio.to_thread(fresh_access_token)
        write_credential(path, fresh.token)
        lasts = fresh.expires_at - RENEWAL_MARGIN - datetime.now(UTC)
        await asyncio.sleep(max(lasts.total_seconds(), RETRY_SECONDS))
