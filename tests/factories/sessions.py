"""Courses, sessions and items as values, with only what a test is about said.

course12(sco("A"), sco("B"))                   SCORM 1.2; without items, one SCO called ITEM-1
course2004(sco("A", data_maps=(DataMap(target="T"),)))
session(holder=1), item("A", values={...})     nothing has happened in them yet
played(course12())                             a session that was launched, with its first item opened
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from server.domain.manifest.model import NO_SEQUENCING, Edition, Item, Manifest, Organization
from server.domain.manifest.sequencing import ControlMode, DeliveryControls, Objective, Sequencing
from server.domain.packages import PackageSettings
from server.domain.sessions.commits import Commit, Committed, apply_commit
from server.domain.sessions.course import Course
from server.domain.sessions.launches import begin_launch, open_item, open_launch
from server.domain.sessions.model import (
    Completion,
    ItemState,
    Launch,
    Launched,
    Score,
    Session,
    Standing,
    Success,
)
from server.domain.sessions.updates import SessionUpdate, Updated, apply_update

NOW = datetime(2026, 5, 4, 10, 0, tzinfo=UTC)
FIRST = "ITEM-1"
COMPLETED = Standing(completion=Completion.COMPLETED)
INCOMPLETE = Standing(completion=Completion.INCOMPLETE)
PASSED = Standing(completion=Completion.COMPLETED, success=Success.PASSED)
FAILED = Standing(completion=Completion.COMPLETED, success=Success.FAILED)


def sco(identifier: str = FIRST, **described: Any) -> Item:
    """Something that talks to the API. What it is called is its title."""
    return Item(
        **{"identifier": identifier, "title": identifier, "url": f"{identifier}.html", "scorm_type": "sco"} | described
    )


def asset(identifier: str, **described: Any) -> Item:
    """Something that does not."""
    return sco(identifier, scorm_type="asset", **described)


def group(identifier: str, *children: Item, **described: Any) -> Item:
    """Something that cannot be opened itself."""
    return Item(identifier=identifier, title=identifier, children=children, **described)


def passing(measure: float) -> Sequencing:
    """What makes the scaled score decide."""
    return Sequencing(primary_objective=Objective(satisfied_by_measure=True, min_normalized_measure=measure))


def completion_set_by_content() -> Sequencing:
    """What makes a status wait for the content to set it."""
    return Sequencing(delivery_controls=DeliveryControls(completion_set_by_content=True))


def course12(*items: Item) -> Course:
    """A course of SCORM 1.2."""
    return _course(Edition.SCORM_1_2, items)


def course2004(*items: Item, flow: bool = False) -> Course:
    """A course of SCORM 2004."""
    return _course(Edition.SCORM_2004_4TH, items, Sequencing(control_mode=ControlMode(flow=flow)))


def _course(edition: Edition, items: tuple[Item, ...], sequencing: Sequencing = NO_SEQUENCING) -> Course:
    organization = Organization(identifier="ORG", title="Fire drill", sequencing=sequencing, items=items or (sco(),))
    return Course.of(
        Manifest(
            identifier="M",
            title="Fire drill",
            edition=edition,
            language="en",
            default_organization="ORG",
            organizations=(organization,),
        )
    )


def session(
    *,
    version: str = "1.2",
    failed_completes: bool = True,
    mastery_overrides_status: bool = True,
    **changed: Any,
) -> Session:
    """Ada's first attempt."""
    settings = PackageSettings(failed_completes=failed_completes, mastery_overrides_status=mastery_overrides_status)
    fresh = Session(
        id=UUID("01970000-0000-7000-8000-000000000001"),
        tenant_id=UUID("01970000-0000-7000-8000-00000000000a"),
        package_id=UUID("01970000-0000-7000-8000-00000000000b"),
        user_id="ada",
        user_name="Ada Lovelace",
        attempt=1,
        package=Launched(title="Fire drill", version=version, settings=settings),
        created_at=NOW,
        updated_at=NOW,
    )
    return replace(fresh, **changed)


def item(identifier: str = FIRST, **known: Any) -> ItemState:
    """An item of a session."""
    return ItemState(id=identifier, **known)


def launch(number: int = 1, **known: Any) -> Launch:
    """A launch that was opened."""
    opened = Launch(id=UUID(int=number), number=number, begun_at=NOW, opened_at=NOW)
    return replace(opened, **known)


def score(scaled: float | None = None, **parts: float) -> Score:
    """A score, of which `scaled` is known."""
    return Score(scaled=scaled, **parts)


@dataclass(frozen=True, kw_only=True)
class Play:
    """A session, its items and launches, as a store would keep them. Each step is a new value."""

    course: Course
    session: Session
    items: Mapping[str, ItemState]
    launches: Mapping[int, Launch]
    at: datetime = NOW

    @property
    def current(self) -> ItemState:
        """The item that was opened last."""
        assert self.session.current_item is not None
        return self.items[self.session.current_item]

    @property
    def launch(self) -> Launch:
        """The launch that holds the session."""
        return self.launches[self.session.holder]

    @property
    def standings(self) -> dict[str, Standing]:
        """Of the items that are known."""
        return {name: one.standing for name, one in self.items.items()}

    def after(self, **passed: float) -> "Play":
        """The same, some time later."""
        return replace(self, at=self.at + timedelta(**passed))

    def launched(self) -> "Play":
        """A launch has begun and was opened."""
        begun, one = begin_launch(self.session, launch_id=UUID(int=self.session.launches + 1), at=self.at)
        opened, one = open_launch(begun, one, course=self.course, at=self.at)
        return replace(self, session=opened, launches={**self.launches, one.number: one})

    def opened(self, identifier: str = FIRST) -> "Play":
        """A run of an item has begun."""
        known = self.items.get(identifier, ItemState(id=identifier))
        begun = open_item(self.session, known, self.launch, course=self.course, others=self.standings, at=self.at)
        return self._with(begun.session, begun.item, begun.launch)

    def apply(self, commit: Commit, *, to: str | None = None) -> tuple["Play", Committed]:
        """What the server makes of a commit to an item: the current one unless it is named."""
        target = self.items[to] if to else self.current
        launch_of = self.launches.get(commit.launch, self.launch)
        result = apply_commit(
            self.session, target, launch_of, commit, course=self.course, others=self.standings, at=self.at
        )
        return self._with(result.session, result.item, result.launch), result

    def committed(self, values: Mapping[str, str], **said: Any) -> "Play":
        """The course has set the values, and the server has them."""
        run = self.current
        number = run.applied + 1
        commit = Commit(launch=run.launch, run=run.run, number=number, base=run.applied, values=values)
        return self.apply(replace(commit, **said))[0]

    def update(self, update: SessionUpdate, *, to: str | None = FIRST, launch: int | None = None) -> Updated:
        """What a caller's update leads to."""
        target = self.items.get(to, ItemState(id=to)) if to else None
        others = {name: one for name, one in self.standings.items() if name != to}
        at_launch = self.launches[self.session.holder if launch is None else launch]
        return apply_update(self.session, target, at_launch, update, course=self.course, others=others, at=self.at)

    def updated(self, *, to: str | None = FIRST, launch: int | None = None, **said: Any) -> "Play":
        """A caller has updated the session."""
        result = self.update(SessionUpdate(**said), to=to, launch=launch)
        return self._with(result.session, result.item, result.launch)

    def _with(self, session: Session, item: ItemState | None, launch: Launch) -> "Play":
        items = self.items if item is None else {**self.items, item.id: item}
        return replace(self, session=session, items=items, launches={**self.launches, launch.number: launch})


def untouched(course: Course, **said: Any) -> Play:
    """A session that nobody has launched. What a caller tells belongs to launch 0."""
    nothing = launch(0)
    fresh = session(version=course.version, **said)
    return Play(course=course, session=fresh, items={}, launches={0: nothing})


def played(course: Course, identifier: str | None = None, **said: Any) -> Play:
    """A session that was launched, with its first item opened, or the one that is named."""
    return untouched(course, **said).launched().opened(identifier or next(iter(course.launchable)))
