"""The states and functions of SCORM 2004's API."""

from typing import Any

import pytest

from tests.browser.runtime.courses import Runtime

CODES = [
    "0",
    "101",
    "102",
    "103",
    "104",
    "111",
    "112",
    "113",
    "122",
    "123",
    "132",
    "133",
    "142",
    "143",
    "201",
    "301",
    "351",
    "391",
    "401",
    "402",
    "403",
    "404",
    "405",
    "406",
    "407",
    "408",
]


def test_before_initialize_every_call_has_its_error(runtime: Runtime) -> None:
    runtime.course("2004", initialized=False).expect(
        ("GetLastError", "0", "0"),
        ("GetValue", "cmi.location", "", "122"),
        ("SetValue", "cmi.location", "1", "false", "132"),
        ("Commit", "", "false", "142"),
        ("Terminate", "", "false", "112"),
    )


def test_while_running_every_call_works(runtime: Runtime) -> None:
    runtime.course("2004").expect(
        ("SetValue", "cmi.location", "1", "true", "0"),
        ("GetValue", "cmi.location", "1", "0"),
        ("Commit", "", "true", "0"),
        ("Initialize", "", "false", "103"),
        ("Terminate", "", "true", "0"),
    )


def test_after_terminate_every_call_has_its_error(runtime: Runtime) -> None:
    runtime.course("2004").expect(
        ("Terminate", "", "true", "0"),
        ("GetValue", "cmi.location", "", "123"),
        ("SetValue", "cmi.location", "1", "false", "133"),
        ("Commit", "", "false", "143"),
        ("Terminate", "", "false", "113"),
        ("Initialize", "", "false", "104"),
    )


def test_arguments_that_must_be_empty_are_checked(runtime: Runtime) -> None:
    runtime.course("2004", initialized=False).expect(
        ("Initialize", "x", "false", "201"),
        ("Initialize", "", "true", "0"),
        ("Commit", "x", "false", "201"),
        ("Terminate", "x", "false", "201"),
        ("GetValue", "", "", "301"),
        ("SetValue", "", "x", "false", "351"),
    )


def test_arguments_that_are_no_texts_are_converted_and_missing_ones_are_empty(runtime: Runtime) -> None:
    runtime.course("2004", initialized=False).expect(
        ("Initialize", "true", "0"),
        ("SetValue", "cmi.score.raw", 12.5, "true", "0"),
        ("GetValue", "cmi.score.raw", "12.5", "0"),
        ("SetValue", "cmi.suspend_data", True, "true", "0"),
        ("GetValue", "cmi.suspend_data", "true", "0"),
        ("SetValue", "cmi.location", "true", "0"),
        ("GetValue", "cmi.location", "", "0"),
        ("SetValue", None, 1, "false", "351"),
        ("GetErrorString", 401, "Undefined Data Model Element", "351"),
        ("Commit", None, "true", "0"),
        ("Terminate", "true", "0"),
    )


def test_nothing_that_a_course_passes_makes_a_call_throw(runtime: Runtime) -> None:
    strange = """api => {
      const argument = { toString() { throw new Error("no text"); } };
      const called = (name) => [api[name](argument, argument), api.GetLastError()];
      const names = ["Initialize", "GetValue", "SetValue", "Commit", "Terminate", "GetErrorString", "GetDiagnostic"];
      return names.map(called);
    }"""
    answers = runtime.course("2004").run(strange)
    assert answers == [[answer, "101"] for answer in ("false", "", "false", "false", "false", "", "")]


@pytest.mark.parametrize(
    ("broken", "call"),
    [
        ("changed", ("SetValue", "cmi.location", "2")),
        ("commit", ("Commit", "")),
        ("terminated", ("Terminate", "")),
    ],
)
def test_a_host_that_throws_is_a_general_exception(runtime: Runtime, broken: str, call: tuple[Any, ...]) -> None:
    course = runtime.course("2004", {"cmi.location": "1"}, broken=(broken,))
    course.expect((*call, "false", "101"))
    if broken != "terminated":
        course.expect(("GetValue", "cmi.location", "1", "0"))


def test_a_host_that_throws_at_initialize_leaves_the_course_as_it_was(runtime: Runtime) -> None:
    runtime.course("2004", broken=("initialized",), initialized=False).expect(
        ("Initialize", "", "false", "102"), ("GetValue", "cmi.location", "", "122")
    )


def test_a_host_that_refuses_makes_commit_and_terminate_fail(runtime: Runtime) -> None:
    course = runtime.course("2004", accepts=False)
    course.expect(("Commit", "", "false", "391"), ("Terminate", "", "false", "111"), ("Terminate", "", "false", "113"))


def test_the_host_hears_of_terminate_when_the_course_can_set_nothing_more(runtime: Runtime) -> None:
    _, _, told = runtime.course("2004").call("Terminate", "")
    assert told == [["terminated", {"request": ""}, "false"]]


@pytest.mark.parametrize(
    ("value", "passed"),
    [
        ("_none_", {"request": ""}),
        ("continue", {"request": "continue"}),
        ("suspendAll", {"request": "suspendAll"}),
        ("{target=ITEM.1}choice", {"request": "choice", "target": "ITEM.1"}),
        ("{target=ITEM-2}jump", {"request": "jump", "target": "ITEM-2"}),
    ],
)
def test_terminate_passes_the_navigation_request_on(runtime: Runtime, value: str, passed: dict[str, str]) -> None:
    course = runtime.course("2004")
    course.expect(("SetValue", "adl.nav.request", value, "true", "0"), ("Terminate", "", "true", "0"))
    assert course.told()[-1][:2] == ["terminated", passed]


def test_a_navigation_request_of_an_earlier_run_is_over(runtime: Runtime) -> None:
    course = runtime.course("2004", {"adl.nav.request": "exitAll"})
    course.expect(("GetValue", "adl.nav.request", "_none_", "0"), ("Terminate", "", "true", "0"))
    assert course.told()[-1][1] == {"request": ""}


@pytest.mark.parametrize(
    ("exit_value", "passed"), [("logout", "exitAll"), ("time-out", "exitAll"), ("suspend", "continue")]
)
def test_two_exits_end_the_whole_whatever_is_asked_for(runtime: Runtime, exit_value: str, passed: str) -> None:
    course = runtime.course("2004", {"cmi.exit": "logout"})
    course.expect(
        ("SetValue", "cmi.exit", exit_value, "true", "0"),
        ("SetValue", "adl.nav.request", "continue", "true", "0"),
        ("Terminate", "", "true", "0"),
    )
    assert course.told()[-1][1] == {"request": passed}


def test_every_code_has_a_text_and_others_have_none(runtime: Runtime) -> None:
    course = runtime.course("2004", initialized=False)
    texts = [answer for answer, _, _ in course.calls(*(("GetErrorString", code) for code in CODES))]
    assert all(0 < len(text) < 256 for text in texts)
    assert len(set(texts)) == len(CODES)
    course.expect(*(("GetErrorString", code, "", "0") for code in ("", "001", "1444", "toString")))


def test_get_diagnostic_speaks_of_the_last_error_and_leaves_it(runtime: Runtime) -> None:
    course = runtime.course("2004")
    course.expect(("GetValue", f"cmi.{'x' * 300}", "", "401"))
    for code in ("", "401"):
        text, error, _ = course.call("GetDiagnostic", code)
        assert text.startswith("There is no such element: cmi.xxx")
        assert len(text) < 255
        assert error == "401"
    course.expect(("GetDiagnostic", "403", "Data Model Element Value Not Initialized", "401"))
    course.expect(("GetDiagnostic", "777", "", "401"))


def test_the_object_says_its_version(runtime: Runtime) -> None:
    assert runtime.course("2004").run("api => api.version") == "1.0"
