"""What a player's commit does: pure, and harmless however often, late or out of order it comes.

A commit has everything that changed since `base`, the last commit that the player knows to be stored. So of two commits
of a run the one with the greater number contains the other, and a lesser one that comes later has nothing to say.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from server.domain.cmi.durations import parse_duration
from server.domain.cmi.elements import Version
from server.domain.cmi.model import model_of
from server.domain.sequencing.navigation import NavigationRequest
from server.domain.sessions.course import Course
from server.domain.sessions.judge import decides_completion, decides_score, decides_success, judge
from server.domain.sessions.launches import better, leave, require_holder, suspend
from server.domain.sessions.model import ItemState, Launch, RunTime, Session, Standing
from server.domain.sessions.roll_up import overruled, roll_up, settle

SESSION_TIME = ("cmi.core.session_time", "cmi.session_time")
# Of one run or launch. What is more is a mistake, and must not spoil the sums.
MAX_SESSION_TIME_MS = 10 * 365 * 24 * 3600 * 1000
_STORE = "adl.data."
_REQUEST = "adl.nav.request"
_ENDS = (NavigationRequest.EXIT_ALL, NavigationRequest.ABANDON_ALL)
# Of an item: more than any course has been seen to store, and what a server can handle at once.
MOST_CHARACTERS = 4 * 1024 * 1024
MOST_ELEMENTS = 20_000
_FEW = MOST_ELEMENTS // 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """What a player sends. `launch` and `run` say where the values come from.

    `waits`: what it is based on is under way, and nobody will hear the answer. `ages_ms` tells how long ago an element
    was set, where that is more than a moment. `known` is there if it was made from what a browser had stored, and is
    the greatest number that was taken until then: a browser that is killed forgets what it stored last.
    """

    launch: int
    run: int
    number: int
    base: int
    values: Mapping[str, str]
    ages_ms: Mapping[str, int] = field(default_factory=dict)
    initialized: bool = False
    terminated: bool = False
    waits: bool = False
    known: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Committed:
    """What a commit leads to. `resend_from` is the commit that the player must begin from; then nothing has changed.

    `rejected` are elements that were not stored, and why. `changed` False: there is nothing to save. `is_old`: it was
    made from less than what is stored.
    """

    session: Session
    item: ItemState
    launch: Launch
    changed: bool = True
    resend_from: int | None = None
    rejected: Mapping[str, str] = field(default_factory=dict)
    is_old: bool = False


def apply_commit(
    session: Session,
    item: ItemState,
    launch: Launch,
    commit: Commit,
    *,
    course: Course,
    others: Mapping[str, Standing],
    at: datetime,
) -> Committed:
    """Applies the commit. `others` are the standings of the items that were opened. Raises TakenOver."""
    require_holder(session, commit.launch)
    is_old = commit.known is not None and commit.known < item.applied
    unchanged = Committed(session=session, item=item, launch=launch, changed=False, is_old=is_old)
    if is_old:
        commit = _lacking(item, commit)
    # An item that was opened again, or has told that it ended: whatever comes now is late.
    if commit.run < item.run or commit.number <= item.applied or (item.is_terminated and not _reopens(item, commit)):
        return unchanged
    if commit.run > item.run or commit.base > item.applied or (item.is_terminated and commit.base < item.applied):
        return replace(unchanged, resend_from=item.applied if commit.run == item.run else 0)
    values, rejected = acceptable(item, _current(item, commit, at), version=course.version)
    if item.is_review:
        # To look again changes nothing but the time that it takes.
        values = {element: value for element, value in values.items() if element in SESSION_TIME}
    stored = replace(
        item,
        values=item.values if item.is_review else {**item.values, **own(values)},
        applied=commit.number,
        is_initialized=item.is_initialized or commit.initialized or commit.terminated or bool(commit.values),
        is_terminated=commit.terminated,
        is_suspended=item.is_suspended and not item.is_terminated,
    )
    if commit.terminated and commit.values.get(_REQUEST) == NavigationRequest.SUSPEND_ALL:
        stored = suspend(stored, course)
    sharing = with_shared(_ended(session, item, commit, at), values, course=course, item_id=item.id)
    timed = count_time(sharing, stored, launch, values, course=course)
    set_at = {element: at - timedelta(milliseconds=commit.ages_ms.get(element, 0)) for element in values}
    written = decide(timed.session, timed.item, set_at, course=course, others=others)
    return Committed(
        session=replace(written.session, updated_at=at, revision=session.revision + 1),
        item=written.item,
        launch=timed.launch,
        rejected=rejected,
    )


def _lacking(item: ItemState, commit: Commit) -> Commit:
    """What the item lacks of a commit that knows nothing of those that came after it was stored: they had the rest."""
    lacking = {element: value for element, value in own(commit.values).items() if element not in item.values}
    return replace(commit, values=lacking, initialized=False, terminated=False)


def _reopens(item: ItemState, commit: Commit) -> bool:
    """Whether the course has initialised anew, on the page of a run that had ended: the learner has reloaded it.

    What merely repeats the end is told from that by its base: it knows nothing of the end.
    """
    return commit.initialized and (commit.base >= item.applied or not commit.terminated)


def _ended(session: Session, item: ItemState, commit: Commit, at: datetime) -> Session:
    """The session as the course leaves it by its own request (RTE 4.4.1): the player may be closed before it asks."""
    if commit.terminated and commit.values.get(_REQUEST) in _ENDS:
        return leave(session, suspends=False, at=at)
    return replace(session, is_over=False) if item.is_terminated else session


def _current(item: ItemState, commit: Commit, at: datetime) -> Mapping[str, str]:
    """The values without those that a caller of the API has overwritten since they were set."""
    if not item.overruled:
        return commit.values
    return {
        element: value
        for element, value in commit.values.items()
        if element not in item.overruled
        or at - timedelta(milliseconds=commit.ages_ms.get(element, 0)) > item.overruled[element]
    }


def acceptable(
    item: ItemState, values: Mapping[str, str], *, version: Version
) -> tuple[Mapping[str, str], Mapping[str, str]]:
    """What of a player's values may be stored, and why the others may not: one fault does not lose the rest."""
    faults = {**too_much(item.values, values), **model_of(version).faults(item.values, values)}
    if not faults:
        return values, {}
    return {element: value for element, value in values.items() if element not in faults}, faults


def too_much(stored: Mapping[str, str], given: Mapping[str, str]) -> dict[str, str]:
    """Of the given elements those for which an item has no room any more, and why."""
    if len(stored) + len(given) <= _FEW and _size(stored) + _size(given) <= MOST_CHARACTERS:
        return {}
    found: dict[str, str] = {}
    kept = {name: len(name) + len(value) for name, value in stored.items()}
    size = sum(kept.values())
    for name, value in given.items():
        grown = size - kept.get(name, 0) + len(name) + len(value)
        if grown > MOST_CHARACTERS or (name not in kept and len(kept) >= MOST_ELEMENTS):
            found[name] = f"An item holds {MOST_CHARACTERS} characters in {MOST_ELEMENTS} elements at most"
        else:
            kept[name], size = len(name) + len(value), grown
    return found


def _size(values: Mapping[str, str]) -> int:
    return sum(map(len, values)) + sum(map(len, values.values()))


def writable(values: Mapping[str, str], *, version: Version) -> dict[str, str]:
    """The values that are not read-only."""
    model = model_of(version)
    found = {name: model.find(name) for name in values}
    return {name: value for name, value in values.items() if (one := found[name]) and one.access != "ro"}


def own(values: Mapping[str, str]) -> dict[str, str]:
    """The values that belong to the item itself, rather than to what it shares or asks for."""
    return {element: value for element, value in values.items() if not element.startswith((_STORE, "adl.nav."))}


def with_shared(session: Session, values: Mapping[str, str], *, course: Course, item_id: str) -> Session:
    """The session with the stores that items share (SCORM 2004 4th Ed. RTE 4.3.1), after an item wrote to them."""
    maps = course.launchable[item_id].data_maps
    written = {
        one.target: values[element]
        for index, one in enumerate(maps)
        if one.write_shared_data and (element := f"{_STORE}{index}.store") in values
    }
    return replace(session, shared={**session.shared, **written}) if written else session


@dataclass(frozen=True, slots=True, kw_only=True)
class Timed:
    """A session, an item and a launch whose times agree."""

    session: Session
    item: ItemState
    launch: Launch


def count_time(
    session: Session, item: ItemState, launch: Launch, values: Mapping[str, str], *, course: Course
) -> Timed:
    """Counts the session time among the values. It is that of the whole run, so that the greatest counts."""
    told = next((values[element] for element in SESSION_TIME if element in values), None)
    milliseconds = parse_duration(told) if told is not None else None
    if milliseconds is None:
        return Timed(session=session, item=item, launch=launch)
    before = launch.items.get(item.id, RunTime(run=item.run))
    more = max(0, min(milliseconds, MAX_SESSION_TIME_MS) - before.run_ms)
    times = {**launch.items, item.id: replace(before, run_ms=before.run_ms + more)}
    timed = counted(session, item, launch, replace(launch, items=times))
    # The only item spends what the session spends: a caller may have told of the same time already.
    spent = timed.session.time_ms - session.time_ms if course.only is not None else more
    return replace(timed, item=replace(item, time_ms=item.time_ms + spent))


def counted(session: Session, item: ItemState, before: Launch, after: Launch) -> Timed:
    """The session with what the launch's time has grown by."""
    grown = after.time_ms - before.time_ms
    counted_on = replace(session, time_ms=session.time_ms + grown)
    if after.number >= session.told_launch:
        counted_on = replace(counted_on, session_time_ms=after.time_ms, told_launch=after.number)
    return Timed(session=counted_on, item=item, launch=after)


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A session and an item whose standings agree."""

    session: Session
    item: ItemState


def decide(
    session: Session, item: ItemState, set_at: Mapping[str, datetime], *, course: Course, others: Mapping[str, Standing]
) -> Written:
    """Judges the item anew, and rolls it up. `set_at` are the elements that were set, and when.

    A run that only reviews decides nothing.
    """
    if item.is_review:
        return Written(session=session, item=item)
    described = course.launchable[item.id]
    judged = judge(
        item.values,
        item=described,
        version=course.version,
        settings=session.package.settings,
        is_terminated=item.is_terminated,
    )
    standing = better(item.kept, judged)
    stood = session.explicit
    explicit = overruled(
        stood,
        completion=decides_completion(_later(set_at, stood.completion_at)),
        success=decides_success(_later(set_at, stood.success_at), item=described, settings=session.package.settings),
        score=decides_score(_later(set_at, stood.score_at)),
    )
    rolled = roll_up(course, {**others, item.id: standing})
    # Most commits leave these as they are.
    if explicit != session.explicit:
        session = replace(session, explicit=explicit)
    if standing != item.standing:
        item = replace(item, standing=standing)
    return Written(session=settle(session, rolled), item=item)


def _later(set_at: Mapping[str, datetime], moment: datetime | None) -> Collection[str]:
    """What was not set before a moment, if there is one."""
    return set_at if moment is None else [element for element, at in set_at.items() if at >= moment]
