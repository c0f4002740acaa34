"""What the documents of the Experience API need from the world, as promises. `server.storage` keeps them."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from server.services.ports import Query

NO_REGISTRATION = UUID(int=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A document as it is kept. `etag` is in quotes."""

    id: str
    content: bytes
    content_type: str
    etag: str
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a document is: of whom or what, and under which registration, if any."""

    tenant_id: UUID
    owner: UUID
    registration: UUID = NO_REGISTRATION


@dataclass(frozen=True, slots=True)
class Listed:
    """A document in a list."""

    id: str
    updated_at: datetime


class DocumentStore(Protocol):
    """Rows of `lrs_documents`."""

    def get(self, document_id: str, *, place: Place) -> Query[Document | None]:
        """One document."""
        ...

    def lock(self, document_id: str, *, place: Place) -> Query[Document | None]:
        """As `get`; nobody else changes it until the transaction ends."""
        ...

    def insert(self, document: Document, *, place: Place) -> Query[bool]:
        """False if it is there already."""
        ...

    def update(self, document: Document, *, place: Place) -> Query[None]:
        """Replaces a locked document."""
        ...

    def delete(self, document_id: str, *, place: Place) -> Query[None]:
        """Removes it, if it is there."""
        ...

    def list(self, *, place: Place, every_registration: bool, since: datetime | None) -> Query[list[Listed]]:
        """Those that were changed after `since`."""
        ...

    def delete_all(self, *, place: Place, every_registration: bool) -> Query[None]:
        """Removes all documents of the place."""
        ...
