"""Who vouches for a statement: an API key, or this installation itself (xAPI 1.0.3 Part Two 2.4.9)."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from uuid import UUID

from server.domain.xapi.actors import ifi_of
from server.domain.xapi.keys import key


@dataclass(frozen=True, slots=True)
class Authority:
    """An agent, its JSON, and the key that it is found by."""

    agent: Mapping[str, Any]
    content: bytes
    key: UUID

    @classmethod
    def of_key(cls, iri_base: str, *, tenant_id: UUID, key_id: UUID) -> "Authority":
        """That of an API key. Its account is on another page than those of learners."""
        return cls._of({"homePage": f"{iri_base}/tenants/{tenant_id}/api-keys", "name": str(key_id)})

    @classmethod
    @lru_cache(4)
    def of_installation(cls, iri_base: str) -> "Authority":
        """That of what the player and sessions tell."""
        return cls._of({"homePage": iri_base, "name": "scorm-api"})

    @classmethod
    def _of(cls, account: dict[str, str]) -> "Authority":
        agent = {"objectType": "Agent", "account": account}
        identifier = ifi_of(agent)
        assert identifier is not None
        return cls(agent, json.dumps(agent, separators=(",", ":")).encode(), key("agent", identifier))
