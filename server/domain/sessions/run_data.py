"""What the run-time page is given: the data model as the course finds it when it initialises."""

from collections.abc import Mapping

from server.domain.cmi.durations import format_12, format_iso
from server.domain.cmi.elements import Version
from server.domain.manifest.model import Item
from server.domain.sessions.course import Course
from server.domain.sessions.judge import completion_threshold, scaled_passing_score
from server.domain.sessions.model import ItemState, Session

_TIME_LIMIT_ACTIONS = ("exit,message", "exit,no message", "continue,message", "continue,no message")
ANONYMOUS = "Learner"


def run_values(session: Session, item: ItemState, *, course: Course) -> dict[str, str]:
    """Every element that has a value: what was stored, and what only the LMS sets."""
    described = course.launchable[item.id]
    ours = _values_12 if course.version == "1.2" else _values_2004
    return {**item.values, **ours(session, item, described)}


def stores(course: Course, item_id: str) -> dict[str, dict[str, bool]]:
    """Of adl.data, by index, what the item may do (SCORM 2004 4th Ed. RTE 4.3.1)."""
    return {
        str(index): {"read": one.read_shared_data, "write": one.write_shared_data}
        for index, one in enumerate(course.launchable[item_id].data_maps)
    }


def _values_12(session: Session, item: ItemState, described: Item) -> dict[str, str]:
    """SCORM 1.2 RTE 3.4.4."""
    found = {
        "cmi.core.student_id": session.user_id,
        "cmi.core.student_name": session.user_name or ANONYMOUS,
        "cmi.core.credit": "no-credit" if item.is_review else "credit",
        "cmi.core.entry": item.entry,
        "cmi.core.lesson_mode": "review" if item.is_review else "normal",
        "cmi.core.total_time": format_12(item.time_ms),
        "cmi.launch_data": described.data_from_lms or "",
    }
    if described.mastery_score is not None:
        found["cmi.student_data.mastery_score"] = _decimal(described.mastery_score)
    if described.max_time_allowed:
        found["cmi.student_data.max_time_allowed"] = described.max_time_allowed
    if described.time_limit_action in _TIME_LIMIT_ACTIONS:
        found["cmi.student_data.time_limit_action"] = described.time_limit_action
    return found


def _values_2004(session: Session, item: ItemState, described: Item) -> dict[str, str]:
    """SCORM 2004 4th Ed. RTE 4.2."""
    found = {
        "cmi.learner_id": session.user_id,
        "cmi.learner_name": session.user_name or ANONYMOUS,
        "cmi.credit": "no-credit" if item.is_review else "credit",
        "cmi.entry": item.entry,
        "cmi.mode": "review" if item.is_review else "normal",
        "cmi.total_time": format_iso(item.time_ms - item.earlier_ms),
    }
    if described.data_from_lms is not None:
        found["cmi.launch_data"] = described.data_from_lms
    threshold, passing = completion_threshold(described), scaled_passing_score(described)
    if threshold is not None:
        found["cmi.completion_threshold"] = _decimal(threshold)
    if passing is not None:
        found["cmi.scaled_passing_score"] = _decimal(passing)
    limit = described.sequencing.limit_conditions.attempt_absolute_duration_limit
    if limit:
        found["cmi.max_time_allowed"] = limit
    if described.time_limit_action in _TIME_LIMIT_ACTIONS:
        found["cmi.time_limit_action"] = described.time_limit_action
    return found | _stores(described, session.shared)


def _decimal(number: float) -> str:
    """As both versions write numbers: without an exponent, and as real(10,7) with seven decimals at most."""
    return f"{number:.7f}".rstrip("0").rstrip(".")


def _stores(described: Item, shared: Mapping[str, str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for index, one in enumerate(described.data_maps):
        found[f"adl.data.{index}.id"] = one.target
        if one.target in shared:
            found[f"adl.data.{index}.store"] = shared[one.target]
    return found


def told_values(item: ItemState, *, version: Version) -> Mapping[str, str]:
    """Run-time data as the API tells them: what is stored, and the total time once there is one."""
    attempt_ms = item.time_ms - item.earlier_ms
    if not attempt_ms:
        return item.values
    if version == "1.2":
        return {**item.values, "cmi.core.total_time": format_12(attempt_ms)}
    return {**item.values, "cmi.total_time": format_iso(attempt_ms)}
