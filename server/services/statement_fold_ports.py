"""What folding statements needs from the world, as promises. `server.storage` keeps them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from server.services.ports import Query


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Statements of a tenant that are folded together: after < position <= upto."""

    tenant_id: UUID
    after: int
    upto: int


@dataclass(frozen=True, slots=True)
class Folded:
    """How many statements were added or taken away, and how many of them were taken away."""

    moved: int
    lost: int


@dataclass(frozen=True, slots=True)
class Latest:
    """The last statement in which an actor or activity appears, by its key."""

    key: UUID
    content: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ActorNames:
    """Who an actor is. `mbox` without `mailto:`; an empty name is none."""

    name: str = ""
    mbox: str | None = None
    mbox_sha1sum: str | None = None
    openid: str | None = None
    home_page: str | None = None
    account_name: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivityNames:
    """What an activity is; an empty type is none. `package_id`, where its IRI says that it is one."""

    id: str
    type: str = ""
    package_id: UUID | None = None


class StatementFolds(Protocol):
    """What statements add up to. Operator role."""

    def waiting(self) -> Query[list[UUID]]:
        """Tenants with statements that are settled and not folded."""
        ...

    def begin(self, *, tenant_id: UUID) -> Query[int]:
        """Locks the tenant's fold, and answers up to where it is."""
        ...

    def upto(self, *, tenant_id: UUID, after: int, most: int) -> Query[int | None]:
        """The end of a window of so many settled statements; None if there is none."""
        ...

    def fold(self, window: Window) -> tuple[Query[None], Query[None], Query[Folded]]:
        """Puts flags and keys right, and adds the window to what statements add up to."""
        ...

    def recount(self, window: Window) -> tuple[Query[None], ...]:
        """Where the window took something away, finds what is first and last now."""
        ...

    def latest(self, window: Window) -> tuple[Query[list[Latest]], Query[list[Latest]]]:
        """The last statement of each actor, and about each activity."""
        ...

    def name(
        self, actors: Mapping[UUID, ActorNames], activities: Mapping[UUID, ActivityNames], *, tenant_id: UUID
    ) -> tuple[Query[None], Query[None]]:
        """Says who they are."""
        ...

    def end(self, window: Window) -> Query[None]:
        """Remembers that the window is folded."""
        ...
