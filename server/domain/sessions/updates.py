"""What a caller of the API writes into a session."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from server.domain.cmi.durations import parse_duration
from server.domain.cmi.elements import Version
from server.domain.cmi.model import model_of
from server.domain.errors import ValidationFailed
from server.domain.sessions.commits import (
    MAX_SESSION_TIME_MS,
    SESSION_TIME,
    Timed,
    count_time,
    counted,
    decide,
    own,
    too_much,
    with_shared,
    writable,
)
from server.domain.sessions.course import Course
from server.domain.sessions.judge import DECIDE_SUCCESS, decides_completion, decides_score
from server.domain.sessions.model import Completion, Explicit, ItemState, Launch, Score, Session, Standing, Success

_SUSPEND_DATA = "cmi.suspend_data"


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionUpdate:
    """What is to be written; None and empty leave things as they are."""

    cmi_data: Mapping[str, str] = field(default_factory=dict)
    completion: Completion | None = None
    success: Success | None = None
    score: Score | None = None
    session_time: str | None = None
    suspend_data: str | None = None
    item_id: str | None = None
    launch_id: str | None = None

    @property
    def values(self) -> Mapping[str, str]:
        """Everything that belongs to an item."""
        return self.cmi_data if self.suspend_data is None else {**self.cmi_data, _SUSPEND_DATA: self.suspend_data}

    @property
    def tells_time(self) -> bool:
        """Whether it says how long something took."""
        return self.session_time is not None or any(name in SESSION_TIME for name in self.cmi_data)

    @property
    def needs_item(self) -> bool:
        """Whether it writes run-time data."""
        return bool(self.cmi_data) or self.suspend_data is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Updated:
    """What an update leads to. `item` is None where it concerns none."""

    session: Session
    item: ItemState | None
    launch: Launch


def target_of(update: SessionUpdate, session: Session, course: Course) -> str | None:
    """The item that the update is for, None where it is for none. Raises ValidationFailed under `item_id`."""
    if update.item_id is not None:
        if update.item_id not in course.launchable:
            raise ValidationFailed.of("item_id", "Must be the id of an item of this package that can be opened")
        return update.item_id
    if course.only is not None:
        return course.only.identifier
    if not update.needs_item:
        return None
    if session.current_item not in course.launchable:
        raise ValidationFailed.of(
            "item_id", "Must name an item: the package has several, and none of them was opened yet"
        )
    return session.current_item


def faults_of(update: SessionUpdate, stored: Mapping[str, str], *, version: Version) -> dict[str, list[str]]:
    """Everything that is wrong with an update on top of what is stored, by request path."""
    faults = {
        f"cmi_data.{element}": [fault]
        for element, fault in {
            **too_much(stored, update.cmi_data),
            **model_of(version).faults(stored, update.cmi_data),
        }.items()
    }
    if update.suspend_data is not None:
        given = {_SUSPEND_DATA: update.suspend_data}
        if found := model_of(version).faults(stored, given):
            faults["suspend_data"] = list(found.values())
    if update.session_time is not None:
        milliseconds = parse_duration(update.session_time)
        if milliseconds is None or milliseconds > MAX_SESSION_TIME_MS:
            faults["session_time"] = ["Must be a duration such as PT1H30M or 0001:30:00, at most ten years"]
    return faults | (_score_faults(update.score) if update.score else {})


def _score_faults(score: Score) -> dict[str, list[str]]:
    faults = {
        f"score.{part}": ["Must be a number"]
        for part in ("scaled", "raw", "min", "max")
        # NaN is the only value that differs from itself; infinities have no JSON either.
        if (value := getattr(score, part)) is not None and (value != value or abs(value) == float("inf"))
    }
    if score.scaled is not None and not -1 <= score.scaled <= 1:
        faults.setdefault("score.scaled", ["Must be from -1 to 1"])
    if score.min is not None and score.max is not None and score.min > score.max:
        faults["score.min"] = ["Must not be greater than max"]
    return faults


def apply_update(
    session: Session,
    item: ItemState | None,
    launch: Launch,
    update: SessionUpdate,
    *,
    course: Course,
    others: Mapping[str, Standing],
    at: datetime,
) -> Updated:
    """Applies an update without faults. One that says what is known already changes nothing."""
    # Read-only elements are there only with the value that they have: other stores keep it.
    values = writable(update.values, version=course.version)
    timed = Timed(session=session, item=item or ItemState(id=""), launch=launch)
    if item is not None:
        # A run knows nothing of this, and may still send what it had set before.
        news = [name for name, value in values.items() if item.values.get(name) != value]
        overruled = {**item.overruled, **dict.fromkeys(news, at)} if item.run else {}
        # What earlier attempts had achieved is no more than the caller says now.
        kept = _corrected(item.kept, values)
        stored = replace(timed.item, values={**item.values, **own(values)}, overruled=overruled, kept=kept)
        sharing = with_shared(session, values, course=course, item_id=item.id)
        timed = count_time(sharing, stored, launch, values, course=course)
    timed = _tell_time(timed, update)
    after, item_after = timed.session, timed.item
    if item is not None and values:
        # What a caller writes counts, whatever the learner's run may decide.
        judged = replace(item_after, is_review=False) if item.is_review else item_after
        decided = decide(after, judged, dict.fromkeys(values, at), course=course, others=others)
        after = decided.session
        item_after = replace(decided.item, is_review=True) if item.is_review else decided.item
    after = _set_explicitly(after, update, at)
    if (after, item_after, timed.launch) != (session, item or ItemState(id=""), launch):
        after = replace(after, updated_at=at, revision=session.revision + 1)
    return Updated(session=after, item=item_after if item is not None else None, launch=timed.launch)


def _corrected(kept: Standing, values: Mapping[str, str]) -> Standing:
    """What earlier attempts had achieved, without what the values decide anew."""
    nothing = Standing()
    judges = any(name in DECIDE_SUCCESS for name in values)
    return Standing(
        completion=nothing.completion if decides_completion(values) else kept.completion,
        success=nothing.success if judges else kept.success,
        score=nothing.score if judges or decides_score(values) else kept.score,
    )


def _tell_time(timed: Timed, update: SessionUpdate) -> Timed:
    """Counts the time that is told of the whole launch: again the greatest."""
    milliseconds = parse_duration(update.session_time) if update.session_time is not None else None
    if milliseconds is None:
        return timed
    launch = replace(timed.launch, told_ms=max(timed.launch.told_ms, milliseconds))
    told = counted(timed.session, timed.item, timed.launch, launch)
    # The only item, or the one that was named, spent it all.
    grown = told.session.time_ms - timed.session.time_ms
    return replace(told, item=replace(timed.item, time_ms=timed.item.time_ms + grown))


def _set_explicitly(session: Session, update: SessionUpdate, at: datetime) -> Session:
    if update.completion is None and update.success is None and update.score is None:
        return session
    before, explicit = session.standing, session.explicit
    return replace(
        session,
        standing=Standing(
            completion=update.completion or before.completion,
            success=update.success or before.success,
            score=before.score if update.score is None else update.score,
        ),
        explicit=Explicit(
            completion_at=_since(explicit.completion_at, update.completion, before.completion, at),
            success_at=_since(explicit.success_at, update.success, before.success, at),
            score_at=_since(explicit.score_at, update.score, before.score, at),
        ),
    )


def _since(stood: datetime | None, given: object | None, before: object, at: datetime) -> datetime | None:
    """Since when a part stands as a caller has set it. To say again what stands is nothing new."""
    if given is None or (stood is not None and given == before):
        return stood
    return at
