"""API keys: their form, what they may do, and the tenants and plans behind them."""

import base64
import binascii
import enum
import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

PREFIX = "scorm_"
SECRET_BYTES = 32
_FORM = re.compile(r"scorm_[A-Za-z0-9_-]{86}\Z")

REST_SCOPES = ("read", "write", "delete")
LRS_SCOPES = (
    "lrs:all",
    "lrs:statements/write",
    "lrs:statements/read",
    "lrs:statements/read/mine",
    "lrs:state",
    "lrs:profile",
)
SCOPES = frozenset(REST_SCOPES + LRS_SCOPES)


class Plan(enum.StrEnum):
    """A set of rate limits; how large they are is the gateway's business."""

    STANDARD = "standard"
    HIGH = "high"
    UNLIMITED = "unlimited"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tenant:
    """A customer."""

    id: UUID
    name: str
    plan: Plan
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class TenantUsage:
    """What a tenant uses of what it may use; a limit of None is none."""

    tenant: Tenant
    package_count: int
    package_limit: int | None
    stored_bytes: int
    stored_bytes_limit: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """A credential, without its secret."""

    id: UUID
    tenant_id: UUID
    name: str
    scopes: frozenset[str]
    created_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    last_used_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyIdentity:
    """What authentication needs to know of a stored key."""

    key_id: UUID
    tenant_id: UUID
    plan: Plan
    scopes: frozenset[str]
    secret_hash: bytes
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None

    def is_live(self, at: datetime) -> bool:
        """Neither revoked nor expired."""
        return self.revoked_at is None and (self.expires_at is None or at < self.expires_at)


@dataclass(frozen=True, slots=True)
class KeyText:
    """A key as callers send it, taken apart."""

    tenant_id: UUID
    key_id: UUID
    secret: bytes

    def __str__(self) -> str:
        raw = self.tenant_id.bytes + self.key_id.bytes + self.secret
        return PREFIX + base64.urlsafe_b64encode(raw).decode().rstrip("=")

    def __repr__(self) -> str:
        return f"KeyText(tenant_id={self.tenant_id}, key_id={self.key_id}, secret=...)"

    @classmethod
    def mint(cls, *, tenant_id: UUID, key_id: UUID) -> "KeyText":
        """A key with a new secret."""
        return cls(tenant_id, key_id, secrets.token_bytes(SECRET_BYTES))

    @classmethod
    def parse(cls, text: str) -> "KeyText | None":
        """The key in `text`, or None where it has not exactly the form that `str` writes."""
        if not _FORM.match(text):
            return None
        try:
            raw = base64.urlsafe_b64decode(text[len(PREFIX) :] + "==")
        except (ValueError, binascii.Error):
            return None
        key = cls(UUID(bytes=raw[:16]), UUID(bytes=raw[16:32]), raw[32:])
        return key if str(key) == text else None

    def hash(self, pepper: bytes) -> bytes:
        """What is stored instead of the secret: HMAC-SHA-256 of the whole key under the installation's pepper."""
        return hmac.digest(pepper, self.tenant_id.bytes + self.key_id.bytes + self.secret, hashlib.sha256)


_OPERATIONS = frozenset({"read", "write", "delete"})
_LRS_PERMISSIONS: dict[str, frozenset[str]] = {
    **{
        operation: frozenset(f"lrs/{resource}/{operation}" for resource in ("statements", "state", "profile"))
        for operation in _OPERATIONS
    },
    "lrs:statements/write": frozenset({"lrs/statements/write"}),
    "lrs:statements/read": frozenset({"lrs/statements/read"}),
    "lrs:statements/read/mine": frozenset({"lrs/statements/read"}),
    "lrs:state": frozenset(f"lrs/state/{operation}" for operation in _OPERATIONS),
    "lrs:profile": frozenset(f"lrs/profile/{operation}" for operation in _OPERATIONS),
}
_LRS_PERMISSIONS["lrs:all"] = frozenset().union(*_LRS_PERMISSIONS.values())


def lrs_permissions(scopes: frozenset[str]) -> frozenset[str]:
    """What a key of these scopes may do in the strict LRS, as `lrs/statements/read`."""
    return frozenset().union(*(_LRS_PERMISSIONS[scope] for scope in scopes if scope in _LRS_PERMISSIONS))
