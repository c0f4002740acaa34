"""What an item's run-time data say about completion, success and score."""

import math
from collections.abc import Collection, Mapping

from server.domain.cmi.elements import Version
from server.domain.manifest.model import Item
from server.domain.packages import PackageSettings
from server.domain.sessions.model import Completion, Score, Standing, Success

# Writing one of these decides anew what a caller had set.
DECIDE_COMPLETION = frozenset({"cmi.core.lesson_status", "cmi.completion_status", "cmi.progress_measure"})
DECIDE_SUCCESS = frozenset({"cmi.core.lesson_status", "cmi.success_status", "cmi.score.scaled"})
_SCORE = ("cmi.core.score.", "cmi.score.")

# SCORM 1.2 RTE 3.4.4, cmi.core.lesson_status. Who has browsed has seen it all.
_LESSON_STATUS = {
    "passed": (Completion.COMPLETED, Success.PASSED),
    "completed": (Completion.COMPLETED, Success.UNKNOWN),
    "failed": (Completion.COMPLETED, Success.FAILED),
    "incomplete": (Completion.INCOMPLETE, Success.UNKNOWN),
    "browsed": (Completion.COMPLETED, Success.UNKNOWN),
}


def decides_completion(elements: Collection[str]) -> bool:
    """Whether one of them decides about completion."""
    return not DECIDE_COMPLETION.isdisjoint(elements)


def decides_success(elements: Collection[str], *, item: Item, settings: PackageSettings) -> bool:
    """Whether one of them decides about success: in SCORM 1.2 the raw score too, where there is a mastery score."""
    by_score = item.mastery_score is not None and settings.mastery_overrides_status
    return not DECIDE_SUCCESS.isdisjoint(elements) or (by_score and "cmi.core.score.raw" in elements)


def decides_score(elements: Collection[str]) -> bool:
    """Whether one of them is part of the score."""
    return any(element.startswith(_SCORE) for element in elements)


def judge(
    values: Mapping[str, str], *, item: Item, version: Version, settings: PackageSettings, is_terminated: bool
) -> Standing:
    """The standing of an item that was opened. `is_terminated`: its latest run has ended as the course wished."""
    if version == "1.2":
        return _judge_12(values, item, settings, is_terminated)
    return _judge_2004(values, item, is_terminated)


def _judge_12(values: Mapping[str, str], item: Item, settings: PackageSettings, is_terminated: bool) -> Standing:
    score = _score_12(values)
    status = values.get("cmi.core.lesson_status", "")
    if status in ("", "not attempted"):
        # SCORM 1.2 RTE 3.4.4: a content that sets no status has completed once it finishes.
        suspended = values.get("cmi.core.exit") == "suspend"
        status = "completed" if is_terminated and not suspended else "incomplete"
    # RTE 3.4.4: with a mastery score the score decides, whatever the content has set; at once, for not every content
    # comes to finish.
    mastery = item.mastery_score if settings.mastery_overrides_status else None
    if mastery is not None and score.raw is not None and status not in ("incomplete", "browsed"):
        status = "passed" if score.raw >= mastery else "failed"
    completion, success = _LESSON_STATUS.get(status, (Completion.INCOMPLETE, Success.UNKNOWN))
    if status == "failed" and not settings.failed_completes:
        completion = Completion.INCOMPLETE
    return Standing(completion=completion, success=success, score=score)


def _score_12(values: Mapping[str, str]) -> Score:
    raw, least, most = (_number(values.get(f"cmi.core.score.{part}")) for part in ("raw", "min", "max"))
    return Score(scaled=scaled_of(raw, least, most), raw=raw, min=least, max=most)


def scaled_of(raw: float | None, least: float | None, most: float | None) -> float | None:
    """Where `raw` stands between 0 and 1; None if that cannot be said, or is beyond -1 or 1."""
    if raw is None:
        return None
    low, high = 0.0 if least is None else least, 100.0 if most is None else most
    if high <= low:
        return None
    scaled = (raw - low) / (high - low)
    return round(scaled, 7) if -1 <= scaled <= 1 else None


def _judge_2004(values: Mapping[str, str], item: Item, is_terminated: bool) -> Standing:
    score = Score(**{part: _number(values.get(f"cmi.score.{part}")) for part in ("scaled", "raw", "min", "max")})
    completion = _completion_2004(values, item)
    if completion is None:
        # SCORM 2004 4th Ed. SN UP.4: an attempt that ends without a status is complete, unless it was suspended.
        over = is_terminated and values.get("cmi.exit") != "suspend" and not _sets_completion(item)
        completion = Completion.COMPLETED if over else Completion.INCOMPLETE
    return Standing(completion=completion, success=_success_2004(values, item, score), score=score)


def _sets_completion(item: Item) -> bool:
    return item.sequencing.delivery_controls.completion_set_by_content


def _completion_2004(values: Mapping[str, str], item: Item) -> Completion | None:
    """RTE 4.2.4.1: a completion threshold decides by the progress measure, whatever the content has set.

    Content that has a threshold and tells no progress is taken by its word.
    """
    threshold, progress = completion_threshold(item), _number(values.get("cmi.progress_measure"))
    if threshold is not None and progress is not None:
        return Completion.COMPLETED if progress >= threshold else Completion.INCOMPLETE
    match values.get("cmi.completion_status"):
        case "completed":
            return Completion.COMPLETED
        case "incomplete" | "not attempted":
            return Completion.INCOMPLETE
    return None


def completion_threshold(item: Item) -> float | None:
    """cmi.completion_threshold (SCORM 2004 4th Ed. RTE 4.2.5)."""
    threshold = item.completion_threshold
    return threshold.min_progress_measure if threshold and threshold.completed_by_measure else None


def scaled_passing_score(item: Item) -> float | None:
    """cmi.scaled_passing_score (SCORM 2004 4th Ed. RTE 4.2.20)."""
    primary = item.sequencing.primary_objective
    return primary.min_normalized_measure if primary.satisfied_by_measure else None


def _success_2004(values: Mapping[str, str], item: Item, score: Score) -> Success:
    """RTE 4.2.22.1: a scaled passing score decides by the scaled score, whatever the content has set.

    Again content without a score is taken by its word.
    """
    passing = scaled_passing_score(item)
    if passing is not None and score.scaled is not None:
        return Success.PASSED if score.scaled >= passing else Success.FAILED
    return {"passed": Success.PASSED, "failed": Success.FAILED}.get(
        values.get("cmi.success_status", ""), Success.UNKNOWN
    )


def _number(text: str | None) -> float | None:
    """Checked when it was written; what is not finite is no number."""
    try:
        number = float(text) if text else None
    except ValueError:
        return None
    return number if number is not None and math.isfinite(number) else None
