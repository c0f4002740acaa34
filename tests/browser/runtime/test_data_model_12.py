"""Which elements of SCORM 1.2 a course may read and set, and the error for everything else."""

import pytest

from tests.browser.runtime.courses import Runtime

KNOWN = {
    "cmi.core.student_id": "ada",
    "cmi.core.total_time": "0001:00:00.00",
    "cmi.core.exit": "suspend",
    "cmi.core.session_time": "0000:05:00.00",
    "cmi.launch_data": "x=1",
    "cmi.objectives.0.id": "goal",
    "cmi.interactions.0.id": "q0",
    "cmi.interactions.0.type": "numeric",
    "cmi.student_data.mastery_score": "80",
}
READS = [
    ("cmi.core.student_id", "ada", "0"),
    ("cmi.core.lesson_status", "not attempted", "0"),
    ("cmi.core.lesson_location", "", "0"),
    ("cmi.core.score.raw", "", "0"),
    ("cmi.suspend_data", "", "0"),
    ("cmi._version", "3.4", "0"),
    ("cmi.core.score._children", "raw,min,max", "0"),
    ("cmi.objectives._count", "1", "0"),
    ("cmi.objectives.0.id", "goal", "0"),
    ("cmi.objectives.0.status", "", "0"),
    ("cmi.interactions._count", "1", "0"),
    ("cmi.interactions.0.objectives._count", "0", "0"),
    ("cmi.student_data.mastery_score", "80", "0"),
    ("cmi.objectives.1.id", "", "201"),
    ("location", "", "201"),
    ("cmi.core.lesson_status._children", "", "202"),
    ("cmi.core._count", "", "203"),
    ("cmi", "", "401"),
    ("cmi.core", "", "401"),
    ("cmi.objectives.0", "", "401"),
    ("cmi.completion_status", "", "401"),
    ("cmi.core.exit", "", "404"),
    ("cmi.core.session_time", "", "404"),
    ("cmi.interactions.0.id", "", "404"),
]
WRITES = [
    ("cmi.core.lesson_status", "completed", "0"),
    ("cmi.core.lesson_location", "", "0"),
    ("cmi.core.score.raw", "", "0"),
    ("cmi.suspend_data", "x" * 100_000, "0"),
    ("cmi.comments", "c" * 5000, "0"),
    ("cmi.objectives.1.status", "passed", "0"),
    ("cmi.interactions.1.student_response", "anything", "0"),
    ("cmi.interactions.1.objectives.0.id", "goal", "0"),
    ("cmi.objectives.2.id", "gap", "201"),
    ("cmi.interactions.0.correct_responses.1.pattern", "1", "201"),
    ("location", "x", "201"),
    ("cmi", "x", "401"),
    ("cmi.core", "x", "401"),
    ("cmi.core.unknown", "x", "401"),
    ("cmi.core._children", "x", "402"),
    ("cmi.objectives._count", "1", "402"),
    ("cmi._version", "x", "402"),
    ("cmi.core.student_id", "x", "403"),
    ("cmi.core.lesson_status", "not attempted", "405"),
    ("cmi.core.lesson_status", "done", "405"),
    ("cmi.core.score.raw", "101", "405"),
    ("cmi.core.session_time", "PT5M", "405"),
    ("cmi.core.exit", "normal", "405"),
    ("cmi.student_preference.text", "2", "405"),
    ("cmi.interactions.0.student_response", "many", "405"),
]


@pytest.mark.parametrize(("element", "value", "error"), READS)
def test_lms_get_value(runtime: Runtime, element: str, value: str, error: str) -> None:
    runtime.course("1.2", KNOWN).expect(("LMSGetValue", element, value, error))


@pytest.mark.parametrize(("element", "value", "error"), WRITES)
def test_lms_set_value(runtime: Runtime, element: str, value: str, error: str) -> None:
    answer, got, told = runtime.course("1.2", KNOWN).call("LMSSetValue", element, value)
    assert (answer, got) == ("true" if error == "0" else "false", error)
    assert told == ([["changed", element, value]] if error == "0" else [])


def test_any_element_makes_a_record(runtime: Runtime) -> None:
    runtime.course("1.2").expect(
        ("LMSSetValue", "cmi.interactions.0.correct_responses.0.pattern", "a", "true", "0"),
        ("LMSGetValue", "cmi.interactions._count", "1", "0"),
        ("LMSGetValue", "cmi.interactions.0.correct_responses._count", "1", "0"),
    )


def test_long_texts_are_kept_whole(runtime: Runtime) -> None:
    kept = "sixty-six thousand characters " * 2200
    course = runtime.course("1.2")
    course.expect(
        ("LMSSetValue", "cmi.suspend_data", kept, "true", "0"), ("LMSGetValue", "cmi.suspend_data", kept, "0")
    )
