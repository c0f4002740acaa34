"""The states and functions of SCORM 1.2's API."""

import pytest

from tests.browser.runtime.courses import Runtime

CODES = ["0", "101", "201", "202", "203", "301", "401", "402", "403", "404", "405"]


def test_before_lms_initialize_every_call_is_refused(runtime: Runtime) -> None:
    runtime.course("1.2", initialized=False).expect(
        ("LMSGetLastError", "0", "0"),
        ("LMSGetValue", "cmi.core.lesson_status", "", "301"),
        ("LMSSetValue", "cmi.core.lesson_status", "passed", "false", "301"),
        ("LMSCommit", "", "false", "301"),
        ("LMSFinish", "", "false", "301"),
    )


def test_while_running_every_call_works(runtime: Runtime) -> None:
    runtime.course("1.2").expect(
        ("LMSSetValue", "cmi.core.lesson_status", "passed", "true", "0"),
        ("LMSGetValue", "cmi.core.lesson_status", "passed", "0"),
        ("LMSCommit", "", "true", "0"),
        ("LMSInitialize", "", "false", "101"),
        ("LMSFinish", "", "true", "0"),
    )


def test_after_lms_finish_every_call_is_refused(runtime: Runtime) -> None:
    runtime.course("1.2").expect(
        ("LMSFinish", "", "true", "0"),
        ("LMSGetValue", "cmi.core.lesson_status", "", "301"),
        ("LMSSetValue", "cmi.core.lesson_status", "passed", "false", "301"),
        ("LMSCommit", "", "false", "301"),
        ("LMSFinish", "", "false", "301"),
        ("LMSInitialize", "", "false", "101"),
    )


def test_arguments_that_must_be_empty_are_checked(runtime: Runtime) -> None:
    runtime.course("1.2", initialized=False).expect(
        ("LMSInitialize", "x", "false", "201"),
        ("LMSInitialize", "", "true", "0"),
        ("LMSCommit", "x", "false", "201"),
        ("LMSFinish", "x", "false", "201"),
        ("LMSGetValue", "", "", "201"),
        ("LMSSetValue", "", "x", "false", "201"),
    )


def test_arguments_that_are_no_texts_are_converted_and_missing_ones_are_empty(runtime: Runtime) -> None:
    runtime.course("1.2", initialized=False).expect(
        ("LMSInitialize", "true", "0"),
        ("LMSSetValue", "cmi.core.score.raw", 85, "true", "0"),
        ("LMSGetValue", "cmi.core.score.raw", "85", "0"),
        ("LMSSetValue", "cmi.core.lesson_location", "true", "0"),
        ("LMSGetErrorString", 401, "Not implemented error", "0"),
        ("LMSCommit", "true", "0"),
        ("LMSFinish", "true", "0"),
    )


def test_nothing_that_a_course_passes_makes_a_call_throw(runtime: Runtime) -> None:
    strange = """api => {
      const argument = { toString() { throw new Error("no text"); } };
      const called = (name) => [api[name](argument, argument), api.LMSGetLastError()];
      return ["LMSInitialize", "LMSGetValue", "LMSSetValue", "LMSCommit", "LMSFinish"].map(called);
    }"""
    answers = runtime.course("1.2").run(strange)
    assert answers == [[answer, "101"] for answer in ("false", "", "false", "false", "false")]


@pytest.mark.parametrize("broken", ["initialized", "changed", "commit", "terminated"])
def test_a_host_that_throws_is_a_general_exception(runtime: Runtime, broken: str) -> None:
    call = {
        "initialized": ("LMSInitialize", ""),
        "changed": ("LMSSetValue", "cmi.suspend_data", "x"),
        "commit": ("LMSCommit", ""),
        "terminated": ("LMSFinish", ""),
    }[broken]
    course = runtime.course("1.2", broken=(broken,), initialized=broken != "initialized")
    course.expect((*call, "false", "101"))


def test_a_host_that_refuses_makes_commit_and_finish_fail(runtime: Runtime) -> None:
    course = runtime.course("1.2", accepts=False)
    course.expect(("LMSCommit", "", "false", "101"), ("LMSFinish", "", "false", "101"))


@pytest.mark.parametrize(("exit_value", "passed"), [("logout", "exitAll"), ("suspend", ""), ("", ""), (None, "")])
def test_only_logout_ends_the_whole_session(runtime: Runtime, exit_value: str | None, passed: str) -> None:
    # A run before this one said "logout"; that is over.
    course = runtime.course("1.2", {"cmi.core.exit": "logout"})
    if exit_value is not None:
        course.expect(("LMSSetValue", "cmi.core.exit", exit_value, "true", "0"))
    course.expect(("LMSFinish", "", "true", "0"))
    assert course.told()[-1] == ["terminated", {"request": passed}, "false"]


def test_every_code_has_a_text_and_others_have_none(runtime: Runtime) -> None:
    course = runtime.course("1.2", initialized=False)
    texts = [answer for answer, _, _ in course.calls(*(("LMSGetErrorString", code) for code in CODES))]
    assert all(0 < len(text) < 256 for text in texts)
    assert len(set(texts)) == len(CODES)
    course.expect(*(("LMSGetErrorString", code, "", "0") for code in ("", "9", "406", "constructor")))


def test_get_diagnostic_speaks_of_the_last_error_and_leaves_it(runtime: Runtime) -> None:
    course = runtime.course("1.2")
    course.expect(
        ("LMSSetValue", "cmi.core.lesson_mode", "browse", "false", "403"),
        ("LMSGetDiagnostic", "", "The element is read-only: cmi.core.lesson_mode", "403"),
        ("LMSGetDiagnostic", "203", "Element not an array - cannot have count", "403"),
    )
