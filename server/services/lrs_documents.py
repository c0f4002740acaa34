"""Documents of state and profiles (xAPI 1.0.3 Part Three 2.2, 2.3, 2.6, 2.7). Each change is one transaction."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from server.domain.errors import Conflict, InvalidRequest, NotFound
from server.domain.media_types import kind_of
from server.domain.xapi.documents import Resource, check_preconditions, etag_of
from server.domain.xapi.versions import Version
from server.services.lrs_document_ports import Document, DocumentStore, Listed, Place
from server.services.ports import Clock, Database, Transaction

JSON = "application/json"
# Whoever finds that another one was first looks again.
TRIES = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """What the request says must hold."""

    version: Version
    resource: Resource
    if_match: str | None = None
    if_none_match: str | None = None

    def check(self, method: str, current: Document | None) -> None:
        """Raises PreconditionFailed, Conflict or InvalidRequest."""
        check_preconditions(
            version=self.version,
            resource=self.resource,
            method=method,
            if_match=self.if_match,
            if_none_match=self.if_none_match,
            current_etag=current.etag if current else None,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class LrsDocuments:
    """`merge` answers the JSON of the first document with the properties of the second; raises InvalidRequest."""

    database: Database
    documents: DocumentStore
    clock: Clock
    merge: Callable[[bytes, bytes], bytes]

    async def get(self, document_id: str, *, place: Place) -> Document:
        """One document. Raises NotFound."""
        found = await self.database.read(place.tenant_id, self.documents.get(document_id, place=place))
        if found is None:
            raise NotFound
        return found

    async def list(self, *, place: Place, every_registration: bool, since: datetime | None) -> list[Listed]:
        """Those that were changed after `since`."""
        query = self.documents.list(place=place, every_registration=every_registration, since=since)
        return await self.database.read(place.tenant_id, query)

    async def put(
        self, document_id: str, content: bytes, content_type: str, *, place: Place, conditions: Conditions
    ) -> None:
        """Stores a document in place of what is there. Raises as `Conditions.check`."""
        await self._store("PUT", document_id, place, conditions, lambda _: (content, content_type))

    async def post(
        self, document_id: str, content: bytes, content_type: str, *, place: Place, conditions: Conditions
    ) -> None:
        """Merges JSON into a JSON document, or stores it where none is. Raises InvalidRequest for anything else."""

        def made(current: Document | None) -> tuple[bytes, str]:
            if current is None:
                return content, content_type
            if not (is_json(content_type) and is_json(current.content_type)):
                raise InvalidRequest(f"Only {JSON} can be merged, into {JSON}")
            return self.merge(current.content, content), content_type

        await self._store("POST", document_id, place, conditions, made)

    async def _store(
        self,
        method: str,
        document_id: str,
        place: Place,
        conditions: Conditions,
        made: Callable[[Document | None], tuple[bytes, str]],
    ) -> None:
        for _ in range(TRIES):
            async with self.database.write(place.tenant_id) as transaction:
                current = await transaction.run(self.documents.lock(document_id, place=place))
                conditions.check(method, current)
                content, content_type = made(current)
                document = Document(
                    id=document_id,
                    content=content,
                    content_type=content_type,
                    etag=etag_of(content),
                    updated_at=self.clock.now(),
                )
                if await self._write(transaction, document, place, is_new=current is None):
                    return
        raise Conflict("Others keep changing this document")

    async def _write(self, transaction: Transaction, document: Document, place: Place, *, is_new: bool) -> bool:
        if is_new:
            return await transaction.run(self.documents.insert(document, place=place))
        await transaction.finish(self.documents.update(document, place=place))
        return True

    async def delete(self, document_id: str, *, place: Place, conditions: Conditions) -> None:
        """Removes a document, whether it is there or not. Raises PreconditionFailed."""
        async with self.database.write(place.tenant_id) as transaction:
            conditions.check("DELETE", await transaction.run(self.documents.lock(document_id, place=place)))
            await transaction.finish(self.documents.delete(document_id, place=place))

    async def delete_all(self, *, place: Place, every_registration: bool) -> None:
        """Removes all documents of the place."""
        async with self.database.write(place.tenant_id) as transaction:
            await transaction.finish(self.documents.delete_all(place=place, every_registration=every_registration))


def is_json(content_type: str) -> bool:
    """Whether it is JSON, with parameters or without."""
    return kind_of(content_type) == JSON
