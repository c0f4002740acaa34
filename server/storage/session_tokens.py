"""Tokens of sessions and runs: HS256, each kind with a key of its own out of one secret. Only the core reads them."""

import hashlib
import hmac
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

import jwt

from server.services.session_ports import RunLink, SessionLink

SESSION_AUDIENCE = "session"
RUN_AUDIENCE = "run"
_MAX_LENGTH = 16_384
# A player sends the same one with every commit. What was not signed here is never kept.
_MOST_KEPT = 5_000


class SessionTokens:
    """Keeps `server.services.session_ports.SessionSigner`."""

    def __init__(self, secret: bytes) -> None:
        self._session_key = _derived(secret, SESSION_AUDIENCE)
        self._run_key = _derived(secret, RUN_AUDIENCE)
        self._run_of = lru_cache(_MOST_KEPT)(self._parse_run)

    def sign_session(self, link: SessionLink) -> str:
        """Opens the player."""
        claims: dict[str, Any] = {
            "aud": SESSION_AUDIENCE,
            "tenant": link.tenant_id.hex,
            "session": link.session_id.hex,
            "iat": link.issued_at.timestamp(),
            "exp": int(link.expires_at.timestamp()),
        }
        if link.launch is not None:
            claims["launch"] = link.launch
        return jwt.encode(claims, self._session_key, algorithm="HS256")

    def read_session(self, token: str) -> SessionLink | None:
        """None unless it was signed here. It may have expired: the caller judges."""
        try:
            claims = _claims(token, self._session_key, SESSION_AUDIENCE)
        except jwt.InvalidTokenError:
            return None
        return SessionLink(
            tenant_id=UUID(claims["tenant"]),
            session_id=UUID(claims["session"]),
            issued_at=_time(claims["iat"]),
            expires_at=_time(claims["exp"]),
            launch=claims.get("launch"),
        )

    def sign_run(self, link: RunLink) -> str:
        """Opens a run-time page."""
        claims: dict[str, Any] = {
            "aud": RUN_AUDIENCE,
            "tenant": link.tenant_id.hex,
            "package": link.package_id.hex,
            "launch": link.launch,
            "run": link.run,
            "item": link.item_id,
            "iat": link.issued_at.timestamp(),
            "exp": int(link.expires_at.timestamp()),
        }
        if link.session_id is not None:
            claims["session"] = link.session_id.hex
        return jwt.encode(claims, self._run_key, algorithm="HS256")

    def read_run(self, token: str) -> RunLink | None:
        """As `read_session`."""
        try:
            return self._run_of(token)
        except jwt.InvalidTokenError:
            return None

    def _parse_run(self, token: str) -> RunLink:
        claims = _claims(token, self._run_key, RUN_AUDIENCE)
        return RunLink(
            tenant_id=UUID(claims["tenant"]),
            package_id=UUID(claims["package"]),
            session_id=UUID(claims["session"]) if "session" in claims else None,
            launch=claims["launch"],
            run=claims["run"],
            item_id=claims["item"],
            issued_at=_time(claims["iat"]),
            expires_at=_time(claims["exp"]),
        )


def _derived(secret: bytes, purpose: str) -> bytes:
    """A key that says nothing of the secret or of other keys (RFC 5869, with one block of output)."""
    return hmac.new(secret, f"scorm {purpose} token".encode() + b"\x01", hashlib.sha256).digest()


def _claims(token: str, key: bytes, audience: str) -> dict[str, Any]:
    """Raises InvalidTokenError."""
    if len(token) > _MAX_LENGTH:
        raise jwt.InvalidTokenError
    options: Any = {"require": ["exp", "iat"], "verify_exp": False, "verify_iat": False}
    return jwt.decode(token, key, algorithms=["HS256"], audience=audience, options=options)


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
