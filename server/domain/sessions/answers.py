"""What a player is told of a session: values, not yet JSON."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from server.domain.manifest.model import Item
from server.domain.sequencing.navigation import Progress, Sequencer, ValidRequests
from server.domain.sessions.course import Course
from server.domain.sessions.model import Completion, Session, Standing, Success

NOT_OPENED = Standing()


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A line of the table of contents. `is_open`: the learner may choose it now."""

    item: Item
    standing: Standing
    is_open: bool
    is_current: bool
    children: tuple["Entry", ...] = ()


@dataclass(frozen=True, kw_only=True)
class Situation:
    """Where a learner stands in a course."""

    course: Course
    progress: Progress
    valid: ValidRequests

    def contents(self) -> tuple[Entry, ...]:
        """The table of contents."""
        choices = frozenset(self.valid.choices)
        return tuple(self._entry(item, choices) for item in self.course.items)

    def _entry(self, item: Item, choices: Collection[str]) -> Entry:
        children = tuple(self._entry(child, choices) for child in item.children)
        return Entry(
            item=item,
            standing=self.standing(item),
            is_open=bool(item.url) and item.identifier in choices,
            is_current=item.identifier == self.progress.current,
            children=children,
        )

    def standing(self, item: Item) -> Standing:
        """Of an item that can be opened; of a group, what those below it come to. Mere headings count for nothing."""
        return self._standings.get(id(item)) or NOT_OPENED

    @cached_property
    def _standings(self) -> dict[int, Standing]:
        """Of every item and group with something to open, each judged once, those below first."""
        found: dict[int, Standing] = {}
        # Parents stand before their children in this order.
        for item in reversed(self.course.in_order):
            if item.url:
                found[id(item)] = self.progress.standings.get(item.identifier, NOT_OPENED)
            elif below := [found[id(child)] for child in item.children if id(child) in found]:
                found[id(item)] = of_group(below)
        return found


def of_group(standings: Collection[Standing]) -> Standing:
    """SCORM 2004 4th Ed. SN RB.1.2, RB.1.3: the defaults."""
    if not standings or all(one.completion is Completion.NOT_ATTEMPTED for one in standings):
        return NOT_OPENED
    done = all(one.completion is Completion.COMPLETED for one in standings)
    success = Success.UNKNOWN
    if any(one.success is Success.FAILED for one in standings):
        success = Success.FAILED
    elif done and any(one.success is Success.PASSED for one in standings):
        success = Success.PASSED
    return Standing(completion=Completion.COMPLETED if done else Completion.INCOMPLETE, success=success)


def situation(session: Session, standings: Mapping[str, Standing], course: Course, sequencer: Sequencer) -> Situation:
    """The situation of a session, of which the items in `standings` were opened or written."""
    progress = Progress(current=session.current_item, resumes=not session.is_over, standings=standings)
    return Situation(course=course, progress=progress, valid=sequencer.valid(course, progress))


@dataclass(frozen=True, slots=True, kw_only=True)
class Ancestors:
    """Which items a change of one item may show in."""

    changed: tuple[Item, ...] = field(default=())

    @classmethod
    def of(cls, course: Course, item_id: str) -> "Ancestors":
        """The item and all groups around it."""
        return cls(changed=tuple(_path(course.items, item_id)))


def _path(items: Collection[Item], item_id: str) -> list[Item]:
    for item in items:
        if item.identifier == item_id:
            return [item]
        if found := _path(item.children, item_id):
            return [item, *found]
    return []
