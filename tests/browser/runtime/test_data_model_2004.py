"""Which elements of SCORM 2004 a course may read and set, and the error for everything else."""

import pytest

from tests.browser.runtime.courses import Runtime

KNOWN = {
    "cmi.learner_id": "ada",
    "cmi.learner_name": "Ada Lovelace",
    "cmi.credit": "credit",
    "cmi.entry": "resume",
    "cmi.total_time": "PT1H",
    "cmi.launch_data": "x=1",
    "cmi.suspend_data": "page=3",
    "cmi.exit": "suspend",
    "cmi.session_time": "PT5M",
    "cmi.objectives.0.id": "goal",
    "cmi.interactions.0.id": "q0",
    "cmi.interactions.0.type": "choice",
    "cmi.interactions.0.correct_responses.0.pattern": "a",
    "adl.data.0.id": "notes",
    "adl.data.1.id": "given",
    "adl.data.1.store": "kept",
    "adl.data.2.id": "asked",
}
STORES = {"1": {"read": True, "write": False}, "2": {"read": False, "write": True}}
READS = [
    ("cmi.learner_id", "ada", "0"),
    ("cmi.mode", "normal", "0"),
    ("cmi.total_time", "PT1H", "0"),
    ("cmi.suspend_data", "page=3", "0"),
    ("cmi._version", "1.0", "0"),
    ("cmi.objectives._count", "1", "0"),
    ("cmi.objectives.0.id", "goal", "0"),
    ("cmi.objectives.00.id", "goal", "0"),
    ("cmi.objectives.0.success_status", "unknown", "0"),
    ("cmi.objectives.0.score._children", "scaled,raw,min,max", "0"),
    ("cmi.interactions.0.correct_responses._count", "1", "0"),
    ("cmi.interactions.0.objectives._count", "0", "0"),
    ("adl.data._count", "3", "0"),
    ("adl.data._children", "id,store", "0"),
    ("adl.data.1.store", "kept", "0"),
    ("cmi.score._count", "", "301"),
    ("cmi.location._children", "", "301"),
    ("cmi.objectives._version", "", "301"),
    ("cmi.objectives.1.id", "", "301"),
    ("cmi.objectives.1.score._children", "", "301"),
    ("cmi.interactions.1.objectives._count", "", "301"),
    ("adl.data.3.store", "", "301"),
    ("cmi", "", "401"),
    ("cmi.score", "", "401"),
    ("cmi.objectives", "", "401"),
    ("cmi.objectives.0", "", "401"),
    ("cmi.objectives.n.id", "", "401"),
    ("cmi.objectives.-1.id", "", "401"),
    ("cmi.objectives.0.unknown", "", "401"),
    ("cmi.unknown", "", "401"),
    ("cmi.unknown._children", "", "401"),
    ("cmi.core.lesson_status", "", "401"),
    ("CMI.location", "", "401"),
    ("location", "", "401"),
    ("adl.nav", "", "401"),
    ("adl.nav.request_valid.choice", "", "401"),
    ("cmi.location", "", "403"),
    ("cmi.objectives.0.description", "", "403"),
    ("adl.data.0.store", "", "403"),
    ("cmi.exit", "", "405"),
    ("cmi.session_time", "", "405"),
    ("adl.data.2.store", "", "405"),
]
WRITES = [
    ("cmi.location", "", "0"),
    ("cmi.suspend_data", "x" * 100_000, "0"),
    ("cmi.objectives.0.description", "d" * 1000, "0"),
    ("cmi.objectives.0.id", "goal", "0"),
    ("cmi.objectives.1.id", "urn:example:other", "0"),
    ("cmi.comments_from_learner.0.location", "page 1", "0"),
    ("cmi.interactions.0.id", "renamed", "0"),
    ("cmi.interactions.0.learner_response", "a[,]b", "0"),
    ("adl.data.0.store", "mine", "0"),
    ("adl.data.2.store", "asked", "0"),
    ("cmi.comments_from_learner.1.comment", "early", "351"),
    ("cmi.objectives.2.id", "gap", "351"),
    ("cmi.objectives.0.id", "changed", "351"),
    ("cmi.objectives.1.id", "goal", "351"),
    ("cmi.interactions.2.id", "gap", "351"),
    ("cmi.interactions.0.objectives.1.id", "gap", "351"),
    ("cmi.interactions.0.correct_responses.1.pattern", "a", "351"),
    ("adl.data.3.store", "more", "351"),
    ("cmi", "x", "401"),
    ("cmi.objectives", "x", "401"),
    ("adl.nav", "x", "401"),
    ("cmi.unknown", "x", "401"),
    ("cmi._version", "1.0", "404"),
    ("cmi.objectives._count", "1", "404"),
    ("cmi.location._children", "x", "404"),
    ("cmi.learner_id", "ada", "404"),
    ("cmi.comments_from_lms.0.comment", "x", "404"),
    ("adl.data.0.id", "x", "404"),
    ("adl.data.1.store", "x", "404"),
    ("adl.nav.request_valid.continue", "true", "404"),
    ("cmi.exit", "later", "406"),
    ("cmi.objectives.1.id", "", "406"),
    ("cmi.interactions.0.learner_response", "a b", "406"),
    ("adl.nav.request", "choice", "406"),
    ("cmi.score.raw", "many", "406"),
    ("cmi.suspend_data", "a\0b", "406"),
    ("cmi.score.scaled", "1.01", "407"),
    ("cmi.progress_measure", "-0.1", "407"),
    ("cmi.learner_preference.audio_level", "-1", "407"),
    ("cmi.objectives.1.success_status", "passed", "408"),
    ("cmi.interactions.1.type", "choice", "408"),
    ("cmi.interactions.1.objectives.0.id", "o", "408"),
    ("cmi.interactions.1.correct_responses.0.pattern", "a", "408"),
]


@pytest.mark.parametrize(("element", "value", "error"), READS)
def test_get_value(runtime: Runtime, element: str, value: str, error: str) -> None:
    runtime.course("2004", KNOWN, stores=STORES).expect(("GetValue", element, value, error))


@pytest.mark.parametrize(("element", "value", "error"), WRITES)
def test_set_value(runtime: Runtime, element: str, value: str, error: str) -> None:
    course = runtime.course("2004", KNOWN, stores=STORES)
    answer, got, told = course.call("SetValue", element, value)
    assert (answer, got) == ("true" if error == "0" else "false", error)
    assert told == ([["changed", element, value]] if error == "0" else [])


def test_a_response_needs_the_type_of_its_interaction(runtime: Runtime) -> None:
    runtime.course("2004").expect(
        ("SetValue", "cmi.interactions.0.id", "q", "true", "0"),
        ("SetValue", "cmi.interactions.0.learner_response", "true", "false", "408"),
        ("SetValue", "cmi.interactions.0.correct_responses.0.pattern", "true", "false", "408"),
        ("SetValue", "cmi.interactions.0.type", "true-false", "true", "0"),
        ("SetValue", "cmi.interactions.0.learner_response", "perhaps", "false", "406"),
        ("SetValue", "cmi.interactions.0.learner_response", "true", "true", "0"),
        ("SetValue", "cmi.interactions.0.correct_responses.0.pattern", "true", "true", "0"),
        ("SetValue", "cmi.interactions.0.correct_responses.1.pattern", "false", "false", "351"),
    )


def test_ids_are_unique_among_objectives_and_within_an_interaction(runtime: Runtime) -> None:
    runtime.course("2004").expect(
        ("SetValue", "cmi.objectives.0.id", "a", "true", "0"),
        ("SetValue", "cmi.objectives.1.id", "a", "false", "351"),
        ("GetValue", "cmi.objectives._count", "1", "0"),
        ("SetValue", "cmi.interactions.0.id", "q", "true", "0"),
        ("SetValue", "cmi.interactions.1.id", "q", "true", "0"),
        ("SetValue", "cmi.interactions.0.objectives.0.id", "a", "true", "0"),
        ("SetValue", "cmi.interactions.0.objectives.1.id", "a", "false", "351"),
        ("SetValue", "cmi.interactions.0.objectives.0.id", "b", "true", "0"),
        ("SetValue", "cmi.interactions.0.objectives.1.id", "a", "true", "0"),
        ("SetValue", "cmi.interactions.1.objectives.0.id", "a", "true", "0"),
    )


def test_an_index_with_leading_zeros_is_the_same_record(runtime: Runtime) -> None:
    course = runtime.course("2004", KNOWN)
    assert course.call("SetValue", "cmi.objectives.01.id", "b")[2] == [["changed", "cmi.objectives.1.id", "b"]]
    course.expect(("GetValue", "cmi.objectives.1.id", "b", "0"))


def test_a_store_that_was_emptied_has_no_value(runtime: Runtime) -> None:
    course = runtime.course("2004", KNOWN, stores=STORES)
    course.expect(("SetValue", "adl.data.0.store", "", "true", "0"), ("GetValue", "adl.data.0.store", "", "403"))


def test_what_may_be_navigated_is_asked_of_the_host(runtime: Runtime) -> None:
    valid = {"continue": "true", "previous": "false", "choice": {"A.1": "true"}, "jump": {}}
    prefix = "adl.nav.request_valid."
    runtime.course("2004", valid=valid).expect(
        ("GetValue", f"{prefix}continue", "true", "0"),
        ("GetValue", f"{prefix}previous", "false", "0"),
        ("GetValue", f"{prefix}choice.{{target=A.1}}", "true", "0"),
        ("GetValue", f"{prefix}choice.{{target=B}}", "false", "0"),
        ("GetValue", f"{prefix}choice.{{target=constructor}}", "false", "0"),
        ("GetValue", f"{prefix}jump.{{target=A.1}}", "false", "0"),
    )
    runtime.course("2004").expect(("GetValue", f"{prefix}jump.{{target=A}}", "unknown", "0"))


def test_the_same_text_again_is_told_again(runtime: Runtime) -> None:
    # The server's may be another one since: its customer may write too.
    course = runtime.course("2004", KNOWN)
    again = [("SetValue", "cmi.session_time", "PT5M"), ("SetValue", "cmi.session_time", "PT5M")]
    assert [told for _, _, told in course.calls(*again)] == [[["changed", "cmi.session_time", "PT5M"]]] * 2


def test_long_texts_are_kept_whole(runtime: Runtime) -> None:
    kept = "sixty-six thousand characters " * 2200
    course = runtime.course("2004")
    course.expect(("SetValue", "cmi.suspend_data", kept, "true", "0"), ("GetValue", "cmi.suspend_data", kept, "0"))
