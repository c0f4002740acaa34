"""Launches and runs: a launch is one sitting, a run is one opening of an item in it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from server.domain.errors import Conflict
from server.domain.manifest.model import Item
from server.domain.sessions.course import Course, is_sco, objectives
from server.domain.sessions.model import NO_LAUNCH, Completion, ItemState, Launch, RunTime, Session, Standing, Success
from server.domain.sessions.roll_up import roll_up, settle

# RTE 4.2.8, 4.2.21: an absent exit means normal, and time begins anew.
_OF_ONE_RUN = ("cmi.core.session_time", "cmi.session_time", "cmi.core.exit", "cmi.exit")


class TakenOver(Conflict):
    """A newer launch holds the session."""

    message = "The session was opened elsewhere"


class HeldMeanwhile(Exception):
    """A launch that its page does not know of holds the session: number `holder`."""

    def __init__(self, holder: int) -> None:
        super().__init__(holder)
        self.holder = holder


def begin_launch(session: Session, *, launch_id: UUID, at: datetime) -> tuple[Session, Launch]:
    """A new launch, which holds the session once it is opened."""
    number = session.launches + 1
    launch = Launch(id=launch_id, number=number, begun_at=at)
    return replace(session, launches=number, updated_at=at), launch


def unlaunched(session: Session, *, launch_id: UUID, at: datetime) -> Launch:
    """The launch of a caller that never launched."""
    return Launch(id=launch_id, number=NO_LAUNCH, begun_at=at, opened_at=session.created_at)


def open_launch(session: Session, launch: Launch, *, course: Course, at: datetime) -> tuple[Session, Launch]:
    """The launch's player takes the session, from whoever had it."""
    shared = session.shared if course.keeps_shared_data or not session.is_over else {}
    return (
        replace(session, holder=launch.number, shared=shared, updated_at=at),
        replace(launch, opened_at=at, is_review=session.runs > 0 and is_settled(session.standing)),
    )


def require_holder(session: Session, launch: int) -> None:
    """Raises TakenOver unless the launch holds the session."""
    if launch != session.holder:
        raise TakenOver


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """What a run begins with."""

    session: Session
    item: ItemState
    launch: Launch


def open_item(
    session: Session,
    item: ItemState,
    launch: Launch,
    *,
    course: Course,
    others: Mapping[str, Standing],
    at: datetime,
) -> Opened:
    """Begins a run of an item in the launch that holds the session. `others` are the standings of what was opened.

    What an earlier run stored stays. But in SCORM 2004 whoever ended normally begins a new attempt on the item (4th Ed.
    RTE 2.1.2, 4.2.8): its data are empty again, and what it had achieved is kept until it achieves more. To look at a
    course that is done begins none.
    """
    run = session.runs + 1
    described = course.launchable[item.id]
    standing = item.standing
    starts_over = course.version == "2004" and not launch.is_review and has_ended(item)
    values = {} if starts_over else dict(item.values)
    if standing.completion is Completion.NOT_ATTEMPTED:
        # Who opens an asset has seen it: nothing else is ever told of it.
        done = Completion.INCOMPLETE if is_sco(described) else Completion.COMPLETED
        standing = replace(standing, completion=done)
    if course.version == "2004" and (starts_over or not item.run):
        values = _objectives_of(described) | values
    for ephemeral in _OF_ONE_RUN:
        values.pop(ephemeral, None)
    opened = replace(
        item,
        values=values,
        standing=standing,
        run=run,
        launch=launch.number,
        applied=0,
        entry="ab-initio" if starts_over else entry_of(item),
        # Many a course says that it is incomplete whenever it begins.
        kept=better(item.kept, standing) if starts_over or _is_done(standing) else item.kept,
        earlier_ms=item.time_ms if starts_over else item.earlier_ms,
        is_initialized=False,
        is_terminated=False,
        is_review=launch.is_review,
        is_suspended=False,
        overruled={},
    )
    before = launch.items.get(item.id, RunTime())
    times = {**launch.items, item.id: RunTime(earlier_ms=before.ms, run=run)}
    settled = settle(session, roll_up(course, {**others, item.id: standing}))
    return Opened(
        session=replace(settled, runs=run, current_item=item.id, is_over=False, updated_at=at),
        item=opened,
        launch=replace(launch, items=times),
    )


def unrecorded(item: ItemState, course: Course) -> ItemState:
    """An item as a first run begins, of a session that is none."""
    if course.version != "2004":
        return item
    return replace(item, values=_objectives_of(course.launchable[item.id]))


def _is_done(standing: Standing) -> bool:
    return standing.completion is Completion.COMPLETED


def _objectives_of(item: Item) -> dict[str, str]:
    """RTE 4.2.17: the LMS knows the objectives of the manifest before the content does."""
    return {f"cmi.objectives.{index}.id": one.identifier for index, one in enumerate(objectives(item))}


def is_settled(standing: Standing) -> bool:
    """Whether there is nothing left to gain: whoever opens the course again only looks.

    What was completed may still be passed: there may be a test.
    """
    return standing.completion is Completion.COMPLETED and standing.success is Success.PASSED


def has_ended(item: ItemState) -> bool:
    """Whether the latest run has ended otherwise than to be taken up again."""
    return item.is_terminated and not item.is_suspended and not is_suspended(item)


def better(kept: Standing, current: Standing) -> Standing:
    """What was achieved in two attempts together: nobody loses by trying again.

    The score is that of the later attempt, unless only the earlier one was passed.
    """
    completed = Completion.COMPLETED in (kept.completion, current.completion)
    was_passed = kept.success is Success.PASSED and current.success is not Success.PASSED
    success = kept.success if was_passed or current.success is Success.UNKNOWN else current.success
    score = kept.score if was_passed or not current.score.is_known else current.score
    return Standing(completion=Completion.COMPLETED if completed else current.completion, success=success, score=score)


def entry_of(item: ItemState) -> str:
    """cmi.entry (RTE 4.2.7; SCORM 1.2 RTE 3.4.4) of the next run, from how the latest one ended."""
    if not item.run:
        return "ab-initio" if not item.values else "resume"
    if not item.is_initialized:
        # Opened, and never spoken to: as if it had not been.
        return "resume" if item.entry == "ab-initio" and _written(item.values) else item.entry
    if not item.is_terminated:
        # Dropped: the tab was closed, or the network failed.
        return "resume"
    return "resume" if item.is_suspended or is_suspended(item) else ""


def is_suspended(item: ItemState) -> bool:
    """Whether the latest exit that the course told of means to go on later (RTE 4.2.8; 1.2 RTE 3.4.4)."""
    return "suspend" in (item.values.get("cmi.core.exit"), item.values.get("cmi.exit"))


def _written(values: Mapping[str, str]) -> bool:
    return any(not element.startswith("cmi.objectives.") for element in values)


def suspend(item: ItemState, course: Course) -> ItemState:
    """The learner suspends the whole out of this item, whatever its own exit is (SCORM 2004 4th Ed. RTE 4.2.8).

    In SCORM 1.2 there is no such request: only the content's exit counts.
    """
    return replace(item, is_suspended=course.version == "2004")


def taken_up(session: Session, item: ItemState, course: Course) -> ItemState:
    """An item as a new launch finds it. Who went away without ending the course takes it up where it was.

    Content that terminates while its tab is being closed seldom knows whether the learner will come back.
    """
    # RTE 4.2.8: these exits end the whole, even if the player was closed before it heard of them.
    ends_all = item.is_terminated and item.values.get("cmi.exit") in ("time-out", "logout")
    if item.id != session.current_item or session.is_over or ends_all:
        return item
    return suspend(item, course)


def leave(session: Session, *, suspends: bool, at: datetime) -> Session:
    """The learner leaves the player. `suspends`: to take it up again where it is, unless it had been ended before."""
    return replace(session, is_over=session.is_over or not suspends, updated_at=at)
