"""Courses of the tests: they call the run-time API in Chromium and say what they got."""

from typing import Any

from playwright.sync_api import Page

# (function, arguments…, the answer expected, the error expected)
Step = tuple[Any, ...]
Answer = tuple[str, str, list[list[Any]]]


class Course:
    """One run."""

    def __init__(self, page: Page, start: dict[str, Any]) -> None:
        self._page = page
        self._course = page.evaluate_handle("start => window.host.start(start)", start)

    def calls(self, *steps: tuple[Any, ...]) -> list[Answer]:
        """For each (function, arguments…) its answer, the last error, and what the host was told during the call."""
        given = [list(step) for step in steps]
        answers = self._page.evaluate("([course, steps]) => window.host.calls(course, steps)", [self._course, given])
        return [(answer, error, told) for answer, error, told in answers]

    def call(self, *step: Any) -> Answer:
        return self.calls(step)[0]

    def expect(self, *steps: Step) -> None:
        """Makes all calls, then names those whose answer or error is not the one that the step ends with."""
        answers = self.calls(*(step[:-2] for step in steps))
        got = [(*step[:-2], *answer[:2]) for step, answer in zip(steps, answers, strict=True)]
        assert [pair for pair in zip(got, steps, strict=True) if pair[0] != pair[1]] == []

    def told(self) -> list[list[Any]]:
        """Everything that the host was told."""
        told: list[list[Any]] = self._page.evaluate("course => course.told", self._course)
        return told

    def run(self, script: str, *given: Any) -> Any:
        """The result of `(api, ...given) => …`."""
        return self._page.evaluate(
            f"([course, given]) => ({script})(course.api, ...given)", [self._course, list(given)]
        )


class Runtime:
    """The page that has loaded the modules."""

    def __init__(self, page: Page) -> None:
        self.page = page

    def course(
        self,
        version: str,
        values: dict[str, str] | None = None,
        *,
        stores: dict[str, dict[str, bool]] | None = None,
        valid: dict[str, Any] | None = None,
        accepts: bool = True,
        broken: tuple[str, ...] = (),
        initialized: bool = True,
    ) -> Course:
        """A run with what the server knows, initialized unless it shall not be."""
        start = {"values": values or {}, "stores": stores or {}, "valid": valid, "accepts": accepts}
        course = Course(self.page, start | {"version": version, "broken": list(broken)})
        if initialized:
            course.expect(("Initialize" if version == "2004" else "LMSInitialize", "", "true", "0"))
        return course
