"""Documents of the Experience API: rows of `lrs_documents`."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Boolean, LargeBinary, Text, delete, or_, select, update
from sqlalchemy.dialects import postgresql

from server.domain.xapi.keys import key
from server.services.lrs_document_ports import Document, Listed, Place
from server.services.ports import Query
from server.storage import tables
from server.storage.sql import Row, any_row, every, first, nothing, param, statement
from server.storage.tables import lrs_documents

_OF_OWNER = (
    lrs_documents.c.tenant_id == param("tenant", tables.UUID),
    lrs_documents.c.owner_key == param("owner", tables.UUID),
)
_THE_DOCUMENT = (
    *_OF_OWNER,
    lrs_documents.c.registration == param("of_registration", tables.UUID),
    lrs_documents.c.document_key == param("document", tables.UUID),
)
_OF_PLACE = (
    *_OF_OWNER,
    or_(
        param("every_registration", Boolean()),
        lrs_documents.c.registration == param("of_registration", tables.UUID),
    ),
)


def _document(row: Row) -> Document:
    return Document(id=row[0], content=bytes(row[1]), content_type=row[2], etag=row[3], updated_at=row[4])


_SELECT = select(
    lrs_documents.c.document_id,
    lrs_documents.c.content,
    lrs_documents.c.content_type,
    lrs_documents.c.etag,
    lrs_documents.c.updated_at,
).where(*_THE_DOCUMENT)
_GET = statement("lrs_documents.get", _SELECT, first(_document))
_LOCK = statement("lrs_documents.lock", _SELECT.with_for_update(), first(_document))
_INSERT = statement(
    "lrs_documents.insert",
    postgresql.insert(lrs_documents)
    .on_conflict_do_nothing(constraint="lrs_documents_pkey")
    .returning(lrs_documents.c.document_key),
    any_row,
)
_UPDATE = statement(
    "lrs_documents.update",
    update(lrs_documents)
    .values(
        content=param("new_content", LargeBinary()),
        content_type=param("new_content_type", Text()),
        etag=param("new_etag", Text()),
        updated_at=param("new_updated_at", tables.TIME),
    )
    .where(*_THE_DOCUMENT),
    nothing,
)
_DELETE = statement("lrs_documents.delete", delete(lrs_documents).where(*_THE_DOCUMENT), nothing)
_DELETE_ALL = statement("lrs_documents.delete_all", delete(lrs_documents).where(*_OF_PLACE), nothing)
_since = param("since", tables.TIME)
_LIST = statement(
    "lrs_documents.list",
    select(lrs_documents.c.document_id, lrs_documents.c.updated_at)
    .where(*_OF_PLACE, or_(_since.is_(None), lrs_documents.c.updated_at > _since))
    .order_by(lrs_documents.c.updated_at, lrs_documents.c.document_id),
    every(lambda row: Listed(*row)),
)


class PostgresLrsDocuments:
    """Keeps `server.services.lrs_document_ports.DocumentStore`."""

    def get(self, document_id: str, *, place: Place) -> Query[Document | None]:
        """One document."""
        return _GET.bind(**_named(document_id, place))

    def lock(self, document_id: str, *, place: Place) -> Query[Document | None]:
        """As `get`; nobody else changes it until the transaction ends."""
        return _LOCK.bind(**_named(document_id, place))

    def insert(self, document: Document, *, place: Place) -> Query[bool]:
        """False if it is there already."""
        return _INSERT.bind(
            tenant_id=place.tenant_id,
            owner_key=place.owner,
            registration=place.registration,
            document_key=_key(document.id),
            document_id=document.id,
            content=document.content,
            content_type=document.content_type,
            etag=document.etag,
            updated_at=document.updated_at,
        )

    def update(self, document: Document, *, place: Place) -> Query[None]:
        """Replaces a locked document."""
        return _UPDATE.bind(
            **_named(document.id, place),
            new_content=document.content,
            new_content_type=document.content_type,
            new_etag=document.etag,
            new_updated_at=document.updated_at,
        )

    def delete(self, document_id: str, *, place: Place) -> Query[None]:
        """Removes it, if it is there."""
        return _DELETE.bind(**_named(document_id, place))

    def list(self, *, place: Place, every_registration: bool, since: datetime | None) -> Query[list[Listed]]:
        """Those that were changed after `since`."""
        return _LIST.bind(**_of(place), every_registration=every_registration, since=since)

    def delete_all(self, *, place: Place, every_registration: bool) -> Query[None]:
        """Removes all documents of the place."""
        return _DELETE_ALL.bind(**_of(place), every_registration=every_registration)


def _key(document_id: str) -> UUID:
    return key("document", document_id)


def _of(place: Place) -> dict[str, Any]:
    return {"tenant": place.tenant_id, "owner": place.owner, "of_registration": place.registration}


def _named(document_id: str, place: Place) -> dict[str, Any]:
    return {**_of(place), "document": _key(document_id)}
