"""What the use cases of sessions need from the world, as promises. `server.storage` keeps them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from server.domain.etags import ANY, IfMatch
from server.domain.sessions.model import Completion, ItemState, Launch, Launched, Session, Standing, Success
from server.domain.sessions.statements import Statement
from server.services.ports import PageKey, Query


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionFilter:
    """Which sessions are asked for; None is all."""

    package_id: UUID | None = None
    user_id: str | None = None
    completion: Completion | None = None
    success: Success | None = None

    @property
    def is_narrow(self) -> bool:
        """Whether several must hold at once."""
        return sum(one is not None for one in (self.package_id, self.user_id, self.completion, self.success)) > 1


# As far as lists count what no counter tells; beyond it a total is an estimate.
MOST_COUNTED = 100_000


@dataclass(frozen=True, slots=True)
class Total:
    """How many there are. `is_estimate`: that many at least; counting them all would take too long."""

    count: int
    is_estimate: bool = False

    @classmethod
    def bounded(cls, counted: int) -> "Total":
        """Of what was counted up to MOST_COUNTED + 1."""
        return cls(min(counted, MOST_COUNTED), is_estimate=counted > MOST_COUNTED)


class CourseStore(Protocol):
    """Manifests of packages."""

    def manifest(self, *, tenant_id: UUID, package_id: UUID) -> Query[str | None]:
        """That of a package, in its stored form."""
        ...


class SessionStore(Protocol):
    """Rows of `sessions`. A session whose package was deleted is not there any more."""

    def get(self, *, tenant_id: UUID, session_id: UUID) -> Query[Session | None]:
        """One session."""
        ...

    def lock(self, *, tenant_id: UUID, session_id: UUID) -> Query[Session | None]:
        """As `get`; nobody else changes it until the transaction ends."""
        ...

    def hold_package(self, *, tenant_id: UUID, package_id: UUID) -> Query[Launched | None]:
        """The package, which nobody deletes until the transaction ends."""
        ...

    def latest(self, *, tenant_id: UUID, package_id: UUID, user_id: str) -> Query[Session | None]:
        """The learner's latest attempt on the package."""
        ...

    def insert(self, session: Session) -> Query[bool]:
        """A new attempt. False if another one of the same number came first."""
        ...

    def save(self, session: Session) -> Query[None]:
        """Everything that may have changed of a locked session."""
        ...

    def delete(self, *, tenant_id: UUID, session_id: UUID, if_match: IfMatch = ANY) -> Query[Session | None]:
        """Deletes it with its items and launches; None if there is none of those revisions."""
        ...

    def page(self, wanted: SessionFilter, *, tenant_id: UUID, limit: int, offset: int) -> Query[list[Session]]:
        """Newest first."""
        ...

    def page_after(self, wanted: SessionFilter, *, tenant_id: UUID, limit: int, after: PageKey) -> Query[list[Session]]:
        """As `page`, but what follows `after`."""
        ...

    def total(self, wanted: SessionFilter, *, tenant_id: UUID) -> Query[Total]:
        """How many there are. Exact but for a learner with more than 100,000 sessions."""
        ...

    def count(self, changes: Sequence[tuple[Standing, int]], *, tenant_id: UUID, package_id: UUID) -> Query[None]:
        """Adds to the totals: of each standing so many more."""
        ...

    def forget_package(self, *, tenant_id: UUID, package_id: UUID) -> Query[None]:
        """Takes a deleted package's sessions from the totals."""
        ...


class SessionUpkeep(Protocol):
    """What the worker does with rows of sessions. Operator role."""

    def fold(self, *, limit: int) -> Query[int]:
        """Counts changes that wait, some of them, and says how many."""
        ...

    def delete_of_package(self, *, tenant_id: UUID, package_id: UUID, limit: int) -> Query[int]:
        """Removes sessions of a deleted package, some of them, and says how many."""
        ...


class SessionItemStore(Protocol):
    """Rows of `session_items`."""

    def all(self, *, tenant_id: UUID, session_id: UUID) -> Query[list[ItemState]]:
        """Every item that was opened or written."""
        ...

    def get(self, *, tenant_id: UUID, session_id: UUID, item_id: str) -> Query[ItemState | None]:
        """One item."""
        ...

    def standings(self, *, tenant_id: UUID, session_id: UUID) -> Query[Mapping[str, Standing]]:
        """Of every item that was opened or written."""
        ...

    def save(self, item: ItemState, *, tenant_id: UUID, session_id: UUID) -> Query[None]:
        """Writes it, whether it was there or not."""
        ...


class LaunchStore(Protocol):
    """Rows of `session_launches`."""

    def numbered(self, *, tenant_id: UUID, session_id: UUID, number: int) -> Query[Launch | None]:
        """By number."""
        ...

    def named(self, *, tenant_id: UUID, session_id: UUID, launch_id: UUID) -> Query[Launch | None]:
        """By id."""
        ...

    def latest(self, *, tenant_id: UUID, session_id: UUID) -> Query[Launch | None]:
        """The one that began last."""
        ...

    def save(self, launch: Launch, *, tenant_id: UUID, session_id: UUID) -> Query[None]:
        """Writes it, whether it was there or not."""
        ...


class StatementStore(Protocol):
    """Where statements go."""

    def add(self, statements: Sequence[Statement], *, tenant_id: UUID) -> tuple[Query[Any], Query[Any]]:
        """Stores them, in their order."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionLink:
    """What a link to a session says. `launch` is the number of the launch that it was made with, if it was."""

    tenant_id: UUID
    session_id: UUID
    issued_at: datetime
    expires_at: datetime
    launch: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunLink:
    """What the address of a run-time page says. `session_id` None: it belongs to a preview, and nothing is recorded."""

    tenant_id: UUID
    package_id: UUID
    session_id: UUID | None
    launch: int
    run: int
    item_id: str
    issued_at: datetime
    expires_at: datetime


class SessionSigner(Protocol):
    """Makes tokens that the core reads again: everything is in them, nothing is stored."""

    def sign_session(self, link: SessionLink) -> str:
        """Opens the player."""
        ...

    def read_session(self, token: str) -> SessionLink | None:
        """None unless it was signed here. It may have expired: the caller judges."""
        ...

    def sign_run(self, link: RunLink) -> str:
        """Opens a run-time page."""
        ...

    def read_run(self, token: str) -> RunLink | None:
        """As `read_session`."""
        ...
