"""Analytics: what statements add up to, by actor and by activity, a second after they were stored."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Generic, Protocol, TypeVar
from uuid import UUID

from server.domain.errors import Faults, ValidationFailed
from server.domain.xapi.actors import ifi_of
from server.domain.xapi.keys import key
from server.domain.xapi.parameters import parse_uuid
from server.services.packages import DEFAULT_LIMIT
from server.services.ports import Database, Query
from server.services.session_ports import Total

R = TypeVar("R")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sums:
    """What statements add up to."""

    total_statements: int
    completed_count: int
    passed_count: int
    failed_count: int
    avg_score_scaled: float | None
    first_activity: datetime
    last_activity: datetime


SUMS = tuple(one.name for one in fields(Sums))
ACTOR_SORTS = (*SUMS, "unique_activities")
ACTIVITY_SORTS = (*SUMS, "unique_learners")


@dataclass(frozen=True, slots=True, kw_only=True)
class ActorRow:
    """An actor, `mbox` without `mailto:`, and what its statements add up to."""

    name: str
    mbox: str | None
    mbox_sha1sum: str | None
    openid: str | None
    home_page: str | None
    account_name: str | None
    sums: Sums
    unique_activities: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivityRow:
    """An activity, and what the statements about it add up to."""

    id: str
    type: str
    package_id: UUID | None
    sums: Sums
    unique_learners: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What rows are sorted by; those without a value come last."""

    column: str
    descending: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ActorFilter:
    """Which actors are asked for; None is all."""

    actor: UUID | None = None
    min_activities: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivityFilter:
    """Which activities are asked for; None is all."""

    activity: UUID | None = None
    type_key: UUID | None = None
    package_id: UUID | None = None
    min_learners: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AnalyticsPage(Generic[R]):
    """Some rows, and how many there are in all."""

    rows: Sequence[R]
    total: Total
    page: int
    limit: int


class AnalyticsStore(Protocol):
    """Rows of `actor_rollups` and `activity_rollups`."""

    def actors(
        self, wanted: ActorFilter, order: Order, *, tenant_id: UUID, limit: int, offset: int
    ) -> Query[list[ActorRow]]:
        """A page of actors."""
        ...

    def actor_total(self, wanted: ActorFilter, *, tenant_id: UUID) -> Query[int]:
        """How many there are; where they are filtered, counted up to MOST_COUNTED + 1."""
        ...

    def activities(
        self, wanted: ActivityFilter, order: Order, *, tenant_id: UUID, limit: int, offset: int
    ) -> Query[list[ActivityRow]]:
        """A page of activities."""
        ...

    def activity_total(self, wanted: ActivityFilter, *, tenant_id: UUID) -> Query[int]:
        """As `actor_total`."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Paging:
    """As it was given; None is the default."""

    sort: str | None = None
    order: str | None = None
    page: int | None = None
    limit: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Analytics:
    """The use cases."""

    database: Database
    store: AnalyticsStore

    async def actors(
        self, *, tenant_id: UUID, actor_mbox: str | None, min_activities: int | None, paging: Paging
    ) -> AnalyticsPage[ActorRow]:
        """Raises ValidationFailed with every faulty parameter."""
        order = _order(paging, ACTOR_SORTS)
        wanted = ActorFilter(actor=_mailbox(actor_mbox), min_activities=min_activities)
        number, size = paging.page or 1, paging.limit or DEFAULT_LIMIT
        rows, counted = await self.database.read(
            tenant_id,
            self.store.actors(wanted, order, tenant_id=tenant_id, limit=size, offset=(number - 1) * size),
            self.store.actor_total(wanted, tenant_id=tenant_id),
        )
        is_counted = wanted != ActorFilter()
        return AnalyticsPage(rows=rows, total=_total(counted, is_counted), page=number, limit=size)

    async def activities(
        self,
        *,
        tenant_id: UUID,
        activity_id: str | None,
        activity_type: str | None,
        package_id: str | None,
        min_learners: int | None,
        paging: Paging,
    ) -> AnalyticsPage[ActivityRow]:
        """As `actors`."""
        faults = Faults()
        order = faults.of(lambda: _order(paging, ACTIVITY_SORTS))
        package = faults.of(lambda: parse_uuid("package_id", package_id))
        faults.refuse()
        assert order is not None
        wanted = ActivityFilter(
            activity=None if activity_id is None else key("activity", activity_id),
            type_key=None if activity_type is None else key("activity_type", activity_type),
            package_id=package,
            min_learners=min_learners,
        )
        number, size = paging.page or 1, paging.limit or DEFAULT_LIMIT
        rows, counted = await self.database.read(
            tenant_id,
            self.store.activities(wanted, order, tenant_id=tenant_id, limit=size, offset=(number - 1) * size),
            self.store.activity_total(wanted, tenant_id=tenant_id),
        )
        is_counted = wanted != ActivityFilter()
        return AnalyticsPage(rows=rows, total=_total(counted, is_counted), page=number, limit=size)


def _total(counted: int, is_counted: bool) -> Total:
    """A number from the counters is exact, however large."""
    return Total.bounded(counted) if is_counted else Total(counted)


def _mailbox(text: str | None) -> UUID | None:
    if text is None:
        return None
    identifier = ifi_of({"mbox": "mailto:" + text.removeprefix("mailto:")})
    return key("agent", str(identifier))


def _order(paging: Paging, sorts: Sequence[str]) -> Order:
    faults: dict[str, list[str]] = {}
    column = paging.sort or "total_statements"
    if column not in sorts:
        faults["sort"] = [f"Must be one of {', '.join(sorts)}"]
    if paging.order not in (None, "asc", "desc"):
        faults["order"] = ["Must be asc or desc"]
    if faults:
        raise ValidationFailed(faults)
    return Order(column=column, descending=paging.order != "asc")
