"""Whatever becomes of a page's commits on their way, the server ends with what the course has set."""

from dataclasses import dataclass, field

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from server.domain.sessions.commits import Commit, Committed
from server.domain.sessions.launches import TakenOver
from tests.factories.sessions import FIRST, Play, course12, played
from tests.unit.sessions.run_page import LONG, RunPage

ELEMENTS = (LONG, "cmi.core.lesson_location", "cmi.comments")
TIME = "cmi.core.session_time"
elements = st.sampled_from(ELEMENTS)
places = st.integers(0, 30)
# What a page does, and what the network does with what was sent: lose it, bring it late, twice, or in another order.
steps = st.lists(
    st.one_of(
        st.tuples(st.just("set"), elements),
        st.tuples(st.just("time"), st.integers(0, 59)),
        st.tuples(st.sampled_from(["whole", "partial", "chained"]), st.none()),
        st.tuples(st.sampled_from(["deliver", "deliver", "answer"]), places),
        st.tuples(st.just("deliver_latest"), st.none()),
        st.tuples(st.just("terminate"), st.none()),
    ),
    max_size=40,
)
with_reloads = st.lists(st.lists(st.just(("reload", None)), max_size=1) | steps, max_size=5).map(
    lambda parts: [step for part in parts for step in part]
)


@dataclass(kw_only=True)
class Wire:
    """A page and a server, and everything that was ever under way between them."""

    play: Play
    page: RunPage
    sent: list[Commit] = field(default_factory=list)
    answers: list[tuple[Committed, int]] = field(default_factory=list)
    counter: int = 0
    # What was sent before the page was loaded again.
    earlier: list[Commit] = field(default_factory=list)

    def do(self, step: str, with_: object) -> None:
        match step, with_:
            case "set", str(element):
                self.counter += 1
                self.page.set(element, str(self.counter))
            case "time", int(seconds):
                self.page.set(TIME, f"0000:00:{seconds:02}")
            case (("whole" | "partial" | "chained"), _):
                self.sent.append(getattr(self.page, step)())
            case "deliver", int(place) if self.sent:
                self.deliver(self.sent[place % len(self.sent)])
            case "deliver_latest", _ if self.sent:
                self.deliver(self.sent[-1])
            case "answer", int(place) if self.answers:
                answer, number = self.answers[place % len(self.answers)]
                self.page.hear(answer, to=number)
            case "terminate", _ if not (self.earlier and self.page.initialized_pending):
                self.page.terminate()
            case "reload", _:
                self.earlier = self.sent.copy()
                stored = self.play.current
                self.page = self.page.reloaded(acknowledged=stored.applied, stored=stored.values)
                self.answers = []

    def deliver(self, commit: Commit) -> None:
        before = self.play
        self.play, answer = self.play.apply(commit)
        self.answers.append((answer, commit.number))
        self._never_falls_back(before, answer, commit)

    def _never_falls_back(self, before: Play, answer: Committed, commit: Commit) -> None:
        was, now = before.current, self.play.current
        for element in ELEMENTS:
            assert int(now.values.get(element, 0)) >= int(was.values.get(element, 0))
        assert now.applied >= was.applied
        assert now.time_ms >= was.time_ms
        if not answer.changed:
            assert (self.play.session, now) == (before.session, was)
        may_reopen = commit.initialized and bool(self.earlier) and commit not in self.earlier
        if was.is_terminated and not may_reopen:
            assert (now.values, now.is_terminated) == (was.values, True)
        assert not (answer.changed and answer.resend_from is not None)

    def settle(self) -> None:
        """The network is back, and the page has as long as it needs."""
        for _ in range(3):
            if self.page.is_settled:
                return
            self.deliver(self.page.whole())
            answer, number = self.answers[-1]
            self.page.hear(answer, to=number)
        assert self.page.is_settled


def wire() -> Wire:
    play = played(course12())
    page = RunPage(launch=play.launch.number, run=play.current.run)
    page.initialize()
    return Wire(play=play, page=page)


# The first is lost. The second has a part of it, so that its number stands for less than it seems.
_OVERTAKEN: list[tuple[str, object]] = [
    *(("set", LONG), ("whole", None)),
    *(("partial", None), ("deliver_latest", None)),
    *(("chained", None), ("deliver_latest", None), ("answer", 1)),
]


@settings(max_examples=400, deadline=None)
@given(steps)
@example(_OVERTAKEN)
def test_the_server_ends_with_what_the_course_has_set(taken: list[tuple[str, object]]) -> None:
    under_way = wire()
    for step in taken:
        under_way.do(*step)
    under_way.settle()
    stored = under_way.play.current
    assert stored.values == under_way.page.values
    assert stored.is_terminated == under_way.page.terminated


@settings(max_examples=400, deadline=None)
@given(with_reloads)
def test_the_server_ends_with_what_the_course_has_set_however_often_its_page_is_reloaded(
    taken: list[tuple[str, object]],
) -> None:
    under_way = wire()
    for step in taken:
        under_way.do(*step)
    under_way.settle()
    assert under_way.play.current.values == under_way.page.values
    assert under_way.play.current.is_terminated == under_way.page.terminated


@settings(max_examples=400, deadline=None)
@given(steps, steps, places)
@example([("set", LONG), ("whole", None)], [("set", LONG), ("whole", None), ("deliver", 1), ("deliver", 0)], 0)
def test_what_a_killed_browser_still_knows_takes_nothing_back(
    before: list[tuple[str, object]], after: list[tuple[str, object]], late: int
) -> None:
    under_way = wire()
    for step in before:
        under_way.do(*step)
    recovered = under_way.page.stored()
    for step in after:
        under_way.do(*step)
    had_ended = under_way.play.current.is_terminated
    applied = under_way.play.current.applied
    under_way.deliver(recovered)
    now = under_way.play.current
    for element, value in recovered.values.items():
        assert element == TIME or int(now.values[element]) >= int(value) or applied > (recovered.known or 0)
    assert now.is_terminated >= had_ended
    under_way.do("deliver", late)


@settings(max_examples=200, deadline=None)
@given(steps, st.permutations(range(30)))
def test_what_comes_late_or_again_changes_nothing_once_all_is_stored(
    taken: list[tuple[str, object]], order: list[int]
) -> None:
    under_way = wire()
    for step in taken:
        under_way.do(*step)
    under_way.settle()
    settled = under_way.play
    for place in order:
        under_way.do("deliver", place)
    assert under_way.play.current.values == settled.current.values
    assert under_way.play.current.is_terminated == settled.current.is_terminated
    heard = under_way.play
    for place in order:
        under_way.do("deliver", place)
    assert under_way.play == heard


@settings(max_examples=200, deadline=None)
@given(steps, st.lists(places, max_size=20))
def test_nothing_of_an_earlier_run_reaches_the_next(taken: list[tuple[str, object]], late: list[int]) -> None:
    under_way = wire()
    for step in taken:
        under_way.do(*step)
    again = under_way.play.opened().committed({"cmi.suspend_data": "of the next run"})
    for place in late:
        if under_way.sent:
            after, answer = again.apply(under_way.sent[place % len(under_way.sent)], to=FIRST)
            assert not answer.changed
            assert after == again


@settings(max_examples=100, deadline=None)
@given(steps, places)
def test_nothing_of_an_earlier_launch_reaches_the_next(taken: list[tuple[str, object]], late: int) -> None:
    under_way = wire()
    for step in taken:
        under_way.do(*step)
    elsewhere = under_way.play.launched()
    under_way.sent.append(under_way.page.whole())
    with pytest.raises(TakenOver):
        elsewhere.apply(under_way.sent[late % len(under_way.sent)])


@settings(max_examples=200, deadline=None)
@given(st.lists(st.lists(st.integers(0, 59), max_size=6), max_size=5), st.booleans())
def test_time_is_the_sum_over_runs_of_the_greatest_that_each_told(told: list[list[int]], relaunches: bool) -> None:
    play = played(course12())
    for run in told:
        for seconds in run:
            play = play.committed({TIME: f"0000:00:{seconds:02}"}).committed({TIME: f"0000:00:{seconds:02}"})
        play = (play.launched() if relaunches else play).opened()
    expected = 1000 * sum(max(run, default=0) for run in told)
    assert play.current.time_ms == expected
    assert play.session.time_ms == expected
    assert sum(one.time_ms for one in play.launches.values()) == expected
