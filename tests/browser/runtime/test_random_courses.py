"""Whatever a course sets, in whatever order, it reads back what was last accepted, and the host has heard all of it."""

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.browser.runtime.courses import Runtime

VALUES = [
    "",
    "a",
    "b",
    "0",
    "0.5",
    "1",
    "-1",
    "150",
    "true",
    "choice",
    "numeric",
    "passed",
    "completed",
    "a[,]b",
    "é ✓",
]
ELEMENTS_2004 = [
    "cmi.location",
    "cmi.suspend_data",
    "cmi.score.raw",
    "cmi.score.scaled",
    "cmi.completion_status",
    "cmi.success_status",
    "cmi.learner_id",
    "cmi.comments_from_learner.{}.comment",
    "cmi.objectives.{}.id",
    "cmi.objectives.{}.success_status",
    "cmi.interactions.{}.id",
    "cmi.interactions.{}.type",
    "cmi.interactions.{}.learner_response",
    "cmi.interactions.0.objectives.{}.id",
    "cmi.interactions.0.correct_responses.{}.pattern",
]
ELEMENTS_12 = [
    "cmi.core.lesson_status",
    "cmi.core.lesson_location",
    "cmi.core.score.raw",
    "cmi.suspend_data",
    "cmi.core.student_id",
    "cmi.student_preference.audio",
    "cmi.objectives.{}.id",
    "cmi.objectives.{}.status",
    "cmi.objectives.{}.score.raw",
]
HEALTH = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]


def steps(elements: list[str]) -> st.SearchStrategy[list[tuple[str, str]]]:
    names = st.builds(str.format, st.sampled_from(elements), st.integers(0, 2))
    return st.lists(st.tuples(names, st.sampled_from(VALUES)), min_size=1, max_size=40)


def play(runtime: Runtime, version: str, prefix: str, sets: list[tuple[str, str]]) -> None:
    course = runtime.course(version)
    kept: dict[str, str] = {}
    answers = course.calls(*((f"{prefix}SetValue", name, value) for name, value in sets))
    for (name, value), (answer, error, told) in zip(sets, answers, strict=True):
        assert (answer == "true") == (error == "0")
        expected: list[Any] = []
        if answer == "true":
            expected = [["changed", name, value]]
            kept[name] = value
        assert told == expected
    course.expect(*((f"{prefix}GetValue", name, value, "0") for name, value in kept.items()))


@settings(max_examples=60, deadline=None, suppress_health_check=HEALTH)
@given(sets=steps(ELEMENTS_2004))
def test_scorm_2004(runtime: Runtime, sets: list[tuple[str, str]]) -> None:
    play(runtime, "2004", "", sets)


@settings(max_examples=60, deadline=None, suppress_health_check=HEALTH)
@given(sets=steps(ELEMENTS_12))
def test_scorm_12(runtime: Runtime, sets: list[tuple[str, str]]) -> None:
    play(runtime, "1.2", "LMS", sets)
