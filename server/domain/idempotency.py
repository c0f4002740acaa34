"""What an Idempotency-Key stands for: one request of one tenant, known by hashes only."""

import hashlib
import re
from dataclasses import dataclass
from uuid import UUID

from server.domain.errors import ValidationFailed

MAX_KEY_LENGTH = 255
_KEY = re.compile(rf"[!-~]{{1,{MAX_KEY_LENGTH}}}")


@dataclass(frozen=True, slots=True)
class KeyedRequest:
    """A request that came with a key. Two are the same where both hashes are; neither tells what it was made of."""

    key_hash: bytes
    fingerprint: bytes


def keyed_request(
    key: str, *, tenant_id: UUID, operation: str, parts: tuple[bytes | str | int | None, ...]
) -> KeyedRequest:
    """Of a key as the caller sent it. `parts` are all that makes the request differ from another of that operation.

    Raises ValidationFailed under `Idempotency-Key`.
    """
    if not _KEY.fullmatch(key):
        raise ValidationFailed.of("Idempotency-Key", f"Must have 1 to {MAX_KEY_LENGTH} visible ASCII characters")
    tenant = str(tenant_id)
    return KeyedRequest(fingerprint_of(tenant, key), fingerprint_of(tenant, operation, *parts))


def fingerprint_of(*parts: bytes | str | int | None) -> bytes:
    """A SHA-256 over the parts, their kinds and their lengths, so that nothing moves from one part to the next."""
    digest = hashlib.sha256()
    for part in parts:
        data = part if isinstance(part, bytes) else b"" if part is None else str(part).encode()
        digest.update(f"{type(part).__name__}:{len(data)}:".encode())
        digest.update(data)
    return digest.digest()
