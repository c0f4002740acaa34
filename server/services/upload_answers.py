"""What an upload under an Idempotency-Key is answered from, the first time and again."""

import dataclasses
from datetime import datetime
from typing import Any
from uuid import UUID

from server.domain.idempotency import fingerprint_of
from server.domain.packages import Package, PackageSettings
from server.services.idempotency import Claim
from server.services.idempotency_ports import Facts
from server.services.ports import Query
from server.services.upload_ports import PackageSource


def complete(claim: Claim, package: Package, source: PackageSource, *, at: datetime) -> Query[bool]:
    """Keeps the package as it is answered, and a fingerprint of the body that it came in."""
    streamed = streamed_fingerprint(source, size_bytes=package.file_size_bytes)
    return claim.complete(_facts(package), at=at, streamed_fingerprint=streamed)


def streamed_fingerprint(source: PackageSource, *, size_bytes: int) -> bytes:
    """Of what a body turned out to say, once it has ended."""
    return fingerprint_of(source.uploaded_by, source.filename, size_bytes)


def _facts(package: Package) -> Facts:
    facts: dict[str, Any] = dataclasses.asdict(dataclasses.replace(package, metadata=None))
    times = {name: facts[name].isoformat() for name in ("created_at", "updated_at")}
    del facts["tenant_id"], facts["metadata"]
    return facts | times | {"id": str(package.id)}


def package_of(facts: Facts, *, tenant_id: UUID) -> Package:
    """The package as it was when it was stored, without metadata, whether it is still there or not."""
    times = {name: datetime.fromisoformat(facts[name]) for name in ("created_at", "updated_at")}
    settings = PackageSettings(**facts["settings"])
    return Package(**{**facts, **times, "id": UUID(facts["id"]), "tenant_id": tenant_id, "settings": settings})
