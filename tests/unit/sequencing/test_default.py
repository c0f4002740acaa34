"""Where a learner may go in a course that has no sequencing rules."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.domain.sequencing.default import DefaultSequencer
from server.domain.sequencing.navigation import Delivery, NavigationRequest, Progress, RequestRefused
from server.domain.sessions.course import Course
from server.domain.sessions.model import Standing
from tests.factories.sessions import COMPLETED, FAILED, INCOMPLETE, PASSED, course12, course2004, group, sco

SEQUENCER = DefaultSequencer()
THREE = course12(group("G", sco("A"), sco("B")), sco("C"))
# B opens after A, and D never.
CLOSING = course12(sco("A"), sco("B", prerequisites="A"), sco("C"), sco("D", prerequisites="~D&D"))
CONTINUE, PREVIOUS = NavigationRequest.CONTINUE, NavigationRequest.PREVIOUS
CHOICE, JUMP = NavigationRequest.CHOICE, NavigationRequest.JUMP


def at(current: str | None = None, *, resumes: bool = True, **standings: Standing) -> Progress:
    return Progress(current=current, resumes=resumes, standings=standings)


def go(course: Course, progress: Progress, request: NavigationRequest, target: str | None = None) -> str | None:
    return SEQUENCER.navigate(course, progress, request, target).item


@pytest.mark.parametrize(
    ("progress", "item"),
    [
        (at(), "A"),
        (at("B", A=COMPLETED, B=INCOMPLETE), "B"),
        (at("B", B=INCOMPLETE), "B"),
        (at("A", A=COMPLETED), "B"),
        (at("A", A=PASSED, B=PASSED), "C"),
        (at("B", A=PASSED, B=FAILED), "C"),
        (at("B", A=PASSED, B=PASSED, C=PASSED), "B"),
        (at("GONE"), "A"),
        (at("B", resumes=False, B=INCOMPLETE), "A"),
        (at("B", resumes=False, A=PASSED, B=INCOMPLETE), "B"),
    ],
)
def test_1_2_starts_with_what_is_not_done(progress: Progress, item: str) -> None:
    assert SEQUENCER.start(THREE, progress) == Delivery(item=item)


@pytest.mark.parametrize(
    ("progress", "item"),
    [
        (at(), "A"),
        (at("B", B=INCOMPLETE), "B"),
        (at("B", B=PASSED), "B"),
        (at("B", resumes=False, B=INCOMPLETE), "A"),
    ],
)
def test_2004_starts_where_it_was_suspended_or_else_at_the_first(progress: Progress, item: str) -> None:
    assert SEQUENCER.start(course2004(sco("A"), sco("B"), flow=True), progress) == Delivery(item=item)


@pytest.mark.parametrize(
    ("progress", "item"),
    [
        (at(), "A"),
        (at(B=INCOMPLETE), "A"),
        (at("B", B=INCOMPLETE), "B"),
        (at("B", resumes=False, B=INCOMPLETE), None),
        (at("GONE", A=INCOMPLETE), None),
    ],
)
def test_2004_that_does_not_flow_waits_for_a_choice_when_it_is_opened_again(progress: Progress, item: str) -> None:
    assert SEQUENCER.start(course2004(sco("A"), sco("B")), progress) == Delivery(item=item)


def test_what_has_one_item_needs_no_choice() -> None:
    assert SEQUENCER.start(course2004(sco("A")), at("A", resumes=False, A=PASSED)) == Delivery(item="A")


def test_a_start_passes_over_what_is_closed() -> None:
    first_closed = course12(sco("A", prerequisites="B"), sco("B"))
    assert SEQUENCER.start(first_closed, at()).item == "B"
    assert SEQUENCER.start(first_closed, at("A")).item == "B"
    assert SEQUENCER.start(CLOSING, at("C", A=FAILED, C=COMPLETED)).item == "C"
    # Nobody is locked out by items that wait for each other.
    assert SEQUENCER.start(course12(sco("A", prerequisites="A")), at()).item == "A"


def test_continue_and_previous_follow_the_table_of_contents() -> None:
    assert [go(THREE, at(name), CONTINUE) for name in ("A", "B")] == ["B", "C"]
    assert [go(THREE, at(name), PREVIOUS) for name in ("C", "B")] == ["B", "A"]


def test_to_go_on_from_the_last_is_to_leave_and_nothing_is_before_the_first() -> None:
    assert SEQUENCER.navigate(THREE, at("C"), CONTINUE, None) == Delivery(is_over=True)
    for progress in (at("A"), at(), at("GONE")):
        with pytest.raises(RequestRefused):
            go(THREE, progress, PREVIOUS)
    assert go(THREE, at(), CONTINUE) == "A"


def test_continue_and_previous_pass_over_what_is_closed() -> None:
    assert go(CLOSING, at("A"), CONTINUE) == "C"
    assert go(CLOSING, at("C"), PREVIOUS) == "A"
    assert go(CLOSING, at("A", A=PASSED), CONTINUE) == "B"
    assert SEQUENCER.navigate(CLOSING, at("C"), CONTINUE, None).is_over


@pytest.mark.parametrize("request_", [CHOICE, JUMP])
def test_what_is_open_may_be_chosen(request_: NavigationRequest) -> None:
    assert go(CLOSING, at("A"), request_, "C") == "C"
    assert go(CLOSING, at("A"), request_, "A") == "A"
    assert go(CLOSING, at("A", A=PASSED), request_, "B") == "B"


@pytest.mark.parametrize("request_", [CHOICE, JUMP])
@pytest.mark.parametrize("target", ["B", "D", "G", "NONE", "", None])
def test_a_choice_of_anything_else_is_refused(request_: NavigationRequest, target: str | None) -> None:
    with pytest.raises(RequestRefused):
        go(CLOSING, at("A"), request_, target)
    with pytest.raises(RequestRefused):
        go(THREE, at("A"), request_, "G")


@pytest.mark.parametrize("request_", [request for request in NavigationRequest if request.ends_launch])
def test_some_requests_end_the_launch(request_: NavigationRequest) -> None:
    suspends = request_ is NavigationRequest.SUSPEND_ALL
    for course in (THREE, course2004()):
        assert SEQUENCER.navigate(course, at("A"), request_, None) == Delivery(is_over=True, is_suspended=suspends)


@pytest.mark.parametrize("request_", [NavigationRequest.EXIT, NavigationRequest.ABANDON])
def test_an_exit_leaves_the_only_item_and_waits_for_a_choice_elsewhere(request_: NavigationRequest) -> None:
    assert SEQUENCER.navigate(course12(), at("ITEM-1"), request_, None) == Delivery(is_over=True)
    assert SEQUENCER.navigate(THREE, at("A"), request_, None) == Delivery()


def test_prerequisites_may_be_left_aside_and_are_none_of_2004() -> None:
    careless = DefaultSequencer(heeds_prerequisites=False)
    assert list(careless.valid(CLOSING, at()).choices) == ["A", "B", "C", "D"]
    closed_in_12 = course2004(sco("A"), sco("B", prerequisites="A"))
    assert list(SEQUENCER.valid(closed_in_12, at()).choices) == ["A", "B"]


@given(
    st.sampled_from([THREE, CLOSING, course12(), course2004(sco("A"), sco("B"))]),
    st.sampled_from([None, "A", "B", "C", "D", "ITEM-1", "GONE"]),
    st.dictionaries(st.sampled_from(["A", "B", "C", "D"]), st.sampled_from([INCOMPLETE, COMPLETED, PASSED, FAILED])),
)
def test_what_is_called_valid_is_what_is_followed(
    course: Course, current: str | None, standings: dict[str, Standing]
) -> None:
    progress = Progress(current=current, standings=standings)
    valid = SEQUENCER.valid(course, progress)

    def leads(request: NavigationRequest, target: str | None = None) -> bool:
        try:
            delivery = SEQUENCER.navigate(course, progress, request, target)
        except RequestRefused:
            return False
        assert delivery.is_over or delivery.item in valid.choices
        return not delivery.is_over

    assert leads(CONTINUE) is valid.can_continue
    assert leads(PREVIOUS) is valid.can_go_back
    for name in course.launchable:
        assert leads(CHOICE, name) is (name in valid.choices)
    first = SEQUENCER.start(course, progress).item
    assert first in valid.choices or (first is None and course.version == "2004" and current)
