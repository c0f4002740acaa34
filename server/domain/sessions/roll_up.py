"""What the items' standings mean for the session: the default of both versions, without sequencing rules."""

from collections.abc import Collection, Mapping
from dataclasses import replace

from server.domain.sessions.course import Course
from server.domain.sessions.model import NO_SCORE, Completion, Explicit, Score, Session, Standing, Success


def roll_up(course: Course, standings: Mapping[str, Standing]) -> Standing:
    """`standings` of the items that were opened, by identifier. Those that cannot be opened any more count not."""
    known = [standings[identifier] for identifier in course.launchable if identifier in standings]
    if len(course.launchable) == 1 and known:
        return known[0]
    return Standing(
        completion=_completion(known, of=len(course.launchable)),
        success=_success(known, of=len(course.launchable)),
        score=_score([standing.score for standing in known if standing.score.is_known]),
    )


def _completion(known: Collection[Standing], *, of: int) -> Completion:
    """SCORM 2004 4th Ed. SN RB.1.3: completed where all are."""
    if all(standing.completion is Completion.NOT_ATTEMPTED for standing in known):
        return Completion.NOT_ATTEMPTED
    done = sum(standing.completion is Completion.COMPLETED for standing in known)
    return Completion.COMPLETED if done == of else Completion.INCOMPLETE


def _success(known: Collection[Standing], *, of: int) -> Success:
    """Failed where one is; passed once all are completed and those that judge say so (SN RB.1.2, and UP.4 for those
    that do not)."""
    if any(standing.success is Success.FAILED for standing in known):
        return Success.FAILED
    over = _completion(known, of=of) is Completion.COMPLETED
    passed = any(standing.success is Success.PASSED for standing in known)
    return Success.PASSED if over and passed else Success.UNKNOWN


def _score(scores: Collection[Score]) -> Score:
    """One score as it is; of several the mean of those that are scaled, each weighing the same (SN RB.1.1)."""
    if len(scores) == 1:
        return next(iter(scores))
    scaled = [score.scaled for score in scores if score.scaled is not None]
    return Score(scaled=round(sum(scaled) / len(scaled), 7)) if scaled else NO_SCORE


def settle(session: Session, rolled: Standing) -> Session:
    """The session with the standing of its items, where no caller has set another."""
    explicit, current = session.explicit, session.standing
    standing = Standing(
        completion=current.completion if explicit.completion_at else rolled.completion,
        success=current.success if explicit.success_at else rolled.success,
        score=current.score if explicit.score_at else rolled.score,
    )
    return session if standing == current else replace(session, standing=standing)


def overruled(explicit: Explicit, *, completion: bool, success: bool, score: bool) -> Explicit:
    """What a caller had set, after elements were written that decide about what is named."""
    return Explicit(
        completion_at=None if completion else explicit.completion_at,
        success_at=None if success else explicit.success_at,
        score_at=None if score else explicit.score_at,
    )
