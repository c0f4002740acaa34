"""The statuses that a SCORM 2004 course reads (RTE 4.2.4.1 and 4.2.22.1); the host hears what the course said."""

import pytest

from tests.browser.runtime.courses import Runtime

COMPLETION = ("cmi.completion_status", "cmi.completion_threshold", "cmi.progress_measure")
SUCCESS = ("cmi.success_status", "cmi.scaled_passing_score", "cmi.score.scaled")


@pytest.mark.parametrize(
    ("own", "needed", "reached", "read"),
    [
        (None, None, None, "unknown"),
        ("completed", None, None, "completed"),
        ("not attempted", None, "1", "not attempted"),
        (None, "0.8", None, "unknown"),
        ("completed", "0.8", None, "unknown"),
        ("completed", "0.8", "0.79", "incomplete"),
        ("incomplete", "0.8", "0.8", "completed"),
        ("unknown", "0.8", "1.0", "completed"),
        ("incomplete", "0.0", "0", "completed"),
    ],
)
def test_completion(runtime: Runtime, own: str | None, needed: str | None, reached: str | None, read: str) -> None:
    check(runtime, COMPLETION, own, needed, reached, read)


@pytest.mark.parametrize(
    ("own", "needed", "reached", "read"),
    [
        (None, None, None, "unknown"),
        ("passed", None, None, "passed"),
        ("failed", None, "1", "failed"),
        ("passed", "0.6", None, "unknown"),
        ("passed", "0.6", "0.5", "failed"),
        ("failed", "0.6", "0.60", "passed"),
        ("failed", "-0.5", "-0.5", "passed"),
        (None, "-0.5", "-1", "failed"),
    ],
)
def test_success(runtime: Runtime, own: str | None, needed: str | None, reached: str | None, read: str) -> None:
    check(runtime, SUCCESS, own, needed, reached, read)


def check(
    runtime: Runtime,
    names: tuple[str, str, str],
    own: str | None,
    needed: str | None,
    reached: str | None,
    read: str,
) -> None:
    """Once set by the course, once known from an earlier run."""
    status, threshold, measure = names
    server = {} if needed is None else {threshold: needed}
    said = {name: value for name, value in ((status, own), (measure, reached)) if value is not None}
    course = runtime.course("2004", server)
    course.expect(*(("SetValue", name, value, "true", "0") for name, value in said.items()))
    course.expect(("GetValue", status, read, "0"))
    assert course.told()[1:] == [["changed", name, value] for name, value in said.items()]
    runtime.course("2004", server | said).expect(("GetValue", status, read, "0"))
