"""Documents of the Experience API, as tests of them use them."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from server.domain.xapi.documents import Resource
from server.domain.xapi.keys import key
from server.domain.xapi.versions import Version
from server.rpc.xapi_json import merge_documents
from server.services.lrs_document_ports import Place
from server.services.lrs_documents import Conditions, LrsDocuments
from server.storage.connection import PostgresDatabase
from server.storage.lrs_documents import PostgresLrsDocuments
from tests.rows import NOW

JSON = "application/json"


@dataclass
class StandingClock:
    """Stands still until a test moves it."""

    at: datetime = NOW

    def now(self) -> datetime:
        return self.at


@dataclass
class Desk:
    """The documents of one owner."""

    documents: LrsDocuments
    clock: StandingClock
    place: Place

    def at(self, registration: UUID) -> "Desk":
        """The same owner's, under a registration."""
        place = Place(tenant_id=self.place.tenant_id, owner=self.place.owner, registration=registration)
        return Desk(self.documents, self.clock, place)

    async def put(self, name: str, content: bytes = b"x", kind: str = "text/plain", **conditions: Any) -> None:
        await self.documents.put(name, content, kind, place=self.place, conditions=when(**conditions))

    async def post(self, name: str, value: object, kind: str = JSON, **conditions: Any) -> None:
        content = value if isinstance(value, bytes) else json.dumps(value).encode()
        await self.documents.post(name, content, kind, place=self.place, conditions=when(**conditions))

    async def delete(self, name: str, **conditions: Any) -> None:
        await self.documents.delete(name, place=self.place, conditions=when(**conditions))

    async def content(self, name: str) -> bytes:
        return (await self.documents.get(name, place=self.place)).content

    async def etag(self, name: str) -> str:
        return (await self.documents.get(name, place=self.place)).etag

    async def ids(self, *, every: bool = True, **since: Any) -> list[str]:
        given: dict[str, Any] = {"since": None, **since}
        listed = await self.documents.list(place=self.place, every_registration=every, **given)
        return sorted(one.id for one in listed)


def when(
    *,
    version: Version = Version.V1,
    resource: Resource = Resource.STATE,
    if_match: str | None = None,
    if_none_match: str | None = None,
) -> Conditions:
    return Conditions(version=version, resource=resource, if_match=if_match, if_none_match=if_none_match)


def desk_of(database: PostgresDatabase, tenant_id: UUID, owner: UUID | None = None) -> Desk:
    clock = StandingClock()
    documents = LrsDocuments(database=database, documents=PostgresLrsDocuments(), clock=clock, merge=merge_documents)
    return Desk(documents, clock, Place(tenant_id=tenant_id, owner=owner or key("owner", "ada")))
