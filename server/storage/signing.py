"""Ed25519 keys and the tokens that are signed with them (RFC 8037, RFC 7519): of each kind its own."""

import base64
import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from uuid import UUID

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from server.domain.packages import content_prefix
from server.domain.previews import Preview
from server.services.ports import SignedContent

ISSUER = "scorm-api"
CONTENT_AUDIENCE = "content"
DOWNLOAD_AUDIENCE = "download"
PREVIEW_AUDIENCE = "preview"
HOUR = timedelta(hours=1)
LIFETIME = timedelta(hours=25)


class ContentTokenSigner:
    """Signs content tokens. Within a clock hour a package's token is the same, so that browser caches work."""

    def __init__(self, private_key: Ed25519PrivateKey, *, frame_ancestors: Sequence[str]) -> None:
        self._key = private_key
        self._frame_ancestors = list(frame_ancestors)
        self.key_id, self.public_x = public_parts(private_key)
        self._token = lru_cache(maxsize=4096)(self._encode)

    def sign(self, *, tenant_id: UUID, package_id: UUID, now: datetime) -> SignedContent:
        """Valid from the start of the clock hour for 25 hours, so for 24 at least."""
        hour = now.replace(minute=0, second=0, microsecond=0)
        return SignedContent(self._token(tenant_id, package_id, hour), hour + LIFETIME)

    def _encode(self, tenant_id: UUID, package_id: UUID, hour: datetime) -> str:
        claims = {
            "iss": ISSUER,
            "aud": CONTENT_AUDIENCE,
            "jti": f"{package_id}.{int(hour.timestamp())}",
            "tenant": str(tenant_id),
            "package": str(package_id),
            "prefix": content_prefix(tenant_id, package_id),
            "fa": self._frame_ancestors,
            "iat": int(hour.timestamp()),
            "exp": int((hour + LIFETIME).timestamp()),
        }
        return jwt.encode(claims, self._key, algorithm="EdDSA", headers={"kid": self.key_id})


class DownloadTokenSigner:
    """Signs tokens that open one object of the bucket, to be saved under one name. The gateway verifies them."""

    def __init__(self, private_key: Ed25519PrivateKey) -> None:
        self._key = private_key
        self._key_id, _ = public_parts(private_key)

    def sign(self, *, tenant_id: UUID, package_id: UUID, object_name: str, filename: str, expires_at: datetime) -> str:
        """`package_id` is what must still be there when it is used."""
        claims = {
            "iss": ISSUER,
            "aud": DOWNLOAD_AUDIENCE,
            "jti": f"{package_id}.{int(expires_at.timestamp())}",
            "tenant": str(tenant_id),
            "package": str(package_id),
            "object": object_name,
            "filename": filename,
            "exp": int(expires_at.timestamp()),
        }
        return jwt.encode(claims, self._key, algorithm="EdDSA", headers={"kid": self._key_id})


class PreviewTokens:
    """Signs preview tokens, and reads them again."""

    def __init__(self, private_key: Ed25519PrivateKey) -> None:
        self._key = private_key
        self._public = private_key.public_key()

    def sign(self, preview: Preview) -> str:
        """Everything is in the token: nothing is stored."""
        claims = {
            "iss": ISSUER,
            "aud": PREVIEW_AUDIENCE,
            "tenant": str(preview.tenant_id),
            "package": str(preview.package_id),
            "exp": int(preview.expires_at.timestamp()),
        }
        if preview.redirect_url is not None:
            claims["redirect"] = preview.redirect_url
        return jwt.encode(claims, self._key, algorithm="EdDSA")

    def read(self, token: str) -> Preview | None:
        """None unless it was signed here. It may have expired: the caller judges."""
        try:
            claims = jwt.decode(
                token,
                self._public,
                algorithms=["EdDSA"],
                audience=PREVIEW_AUDIENCE,
                issuer=ISSUER,
                options={"require": ["exp"], "verify_exp": False},
            )
        except jwt.InvalidTokenError:
            return None
        return Preview(
            tenant_id=UUID(claims["tenant"]),
            package_id=UUID(claims["package"]),
            expires_at=datetime.fromtimestamp(claims["exp"], UTC),
            redirect_url=claims.get("redirect"),
        )


def load_private_key(path: Path) -> Ed25519PrivateKey:
    """Reads a PEM file. Raises ValueError if it holds no Ed25519 private key."""
    key = load_pem_private_key(path.read_bytes(), password=None)
    if not isinstance(key, Ed25519PrivateKey):
        raise ValueError(f"{path} holds no Ed25519 private key")
    return key


def public_parts(private_key: Ed25519PrivateKey) -> tuple[str, str]:
    """The key id, and the public key as the `x` of a JWK (RFC 8037, 2)."""
    public = private_key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    key_id = hashlib.sha256(public).hexdigest()[:16]
    return key_id, base64.urlsafe_b64encode(public).decode().rstrip("=")
