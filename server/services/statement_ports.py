"""What the use cases of xAPI statements need from the world, as promises. `server.storage` keeps them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from server.domain.xapi.keys import Facts
from server.services.ports import Query


@dataclass(frozen=True, slots=True, kw_only=True)
class NewStatement:
    """A statement that is to be stored. `content` is its JSON, an object without `stored`.

    `is_named`: its sender chose the id, so that it may be there already, or referred to. `voids_any`: its sender may
    void whatever statement it refers to.
    """

    id: UUID
    facts: Facts
    authority: UUID
    content: bytes
    occurred_at: datetime
    is_named: bool
    voids_any: bool = False


@dataclass(frozen=True, slots=True)
class StoredStatement:
    """A statement in its place. `content` as `NewStatement.content`."""

    position: int
    content: str


@dataclass(frozen=True, slots=True)
class FoundStatement:
    """A statement that was asked for by id."""

    position: int
    content: str
    voided: bool
    is_voiding: bool
    authority: UUID


@dataclass(frozen=True, slots=True)
class Inserted:
    """A statement that was not there before. `is_referred_to` by one that was."""

    id: UUID
    position: int
    is_referred_to: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Which statements are asked for: those that all `keys` find, between two positions, without either.

    Of a pair of keys one is enough; no statement has both. With an `authority`, only those that it vouches for.
    """

    keys: tuple[UUID | tuple[UUID, UUID], ...] = ()
    after: int = 0
    before: int = 2**63 - 1
    ascending: bool = False
    authority: UUID | None = None


class StatementStore(Protocol):
    """Rows of `statements`, and of what they are found by."""

    def hold(self, *, tenant_id: UUID) -> Query[None]:
        """Keeps what is settled where it is until the transaction ends. Before `insert`, in a query of its own."""
        ...

    def insert(self, statements: Sequence[NewStatement], *, tenant_id: UUID) -> Query[list[Inserted]]:
        """Stores those whose ids are not there, and answers them. Positions are in the order given."""
        ...

    def void(self, ids: Sequence[UUID], *, tenant_id: UUID) -> Query[None]:
        """Marks those of these statements as voided that are, by whichever statements there are."""
        ...

    def inherit(self, ids: Sequence[UUID], *, tenant_id: UUID) -> Query[None]:
        """Lets these statements be found by what finds the statements that they refer to."""
        ...

    def existing(self, ids: Sequence[UUID], *, tenant_id: UUID) -> Query[Mapping[UUID, FoundStatement]]:
        """Those of these that are there."""
        ...

    def page(self, window: Window, *, tenant_id: UUID, limit: int, offset: int = 0) -> Query[list[StoredStatement]]:
        """Unvoided statements, the last stored first unless ascending."""
        ...

    def settled_page(self, *, after: int, tenant_id: UUID, limit: int) -> Query[list[StoredStatement]]:
        """What was stored after a place, voided or not, in its order, as far as it is settled."""
        ...

    def total(self, window: Window, *, tenant_id: UUID) -> Query[int]:
        """How many unvoided statements there are, counted up to MOST_COUNTED + 1."""
        ...

    def counted(self, found_by: UUID | None, *, tenant_id: UUID) -> Query[int]:
        """How many unvoided statements have the verb or activity of this key, or, with None, how many there are."""
        ...

    def settled(self, *, tenant_id: UUID) -> Query[int]:
        """The position up to which no statement is to come."""
        ...
