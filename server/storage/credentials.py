"""The credential that the gateway shows to Cloud Storage."""

from dataclasses import dataclass
from datetime import UTC, datetime

import google.auth
from google.auth.exceptions import GoogleAuthError
from google.auth.transport.requests import Request

from server.domain.errors import Unavailable

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
