"""What the items' standings mean for the session."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.domain.sessions.model import NO_SCORE, Completion, Explicit, Score, Standing, Success
from server.domain.sessions.roll_up import overruled, roll_up, settle
from tests.factories.sessions import COMPLETED, FAILED, INCOMPLETE, NOW, PASSED, course12, group, sco, session

THREE = course12(group("G", sco("A"), sco("B")), sco("C"))
NOTHING = Standing()
standings = st.builds(
    Standing,
    completion=st.sampled_from(Completion),
    success=st.sampled_from(Success),
    score=st.builds(Score, scaled=st.none() | st.floats(-1, 1)),
)


def scored(scaled: float | None = None, **parts: float) -> Standing:
    return Standing(completion=Completion.COMPLETED, score=Score(scaled=scaled, **parts))


@given(standings)
def test_the_standing_of_the_only_item_is_that_of_the_session(standing: Standing) -> None:
    assert roll_up(course12(), {"ITEM-1": standing}) == standing


def test_nothing_is_attempted_before_something_is() -> None:
    assert roll_up(course12(), {}) == NOTHING
    assert roll_up(THREE, {}) == NOTHING
    assert roll_up(THREE, {"A": NOTHING}) == NOTHING


@pytest.mark.parametrize(
    ("a", "b", "c", "completion", "success"),
    [
        (INCOMPLETE, None, None, Completion.INCOMPLETE, Success.UNKNOWN),
        (COMPLETED, COMPLETED, None, Completion.INCOMPLETE, Success.UNKNOWN),
        (PASSED, PASSED, None, Completion.INCOMPLETE, Success.UNKNOWN),
        (PASSED, PASSED, INCOMPLETE, Completion.INCOMPLETE, Success.UNKNOWN),
        (COMPLETED, COMPLETED, COMPLETED, Completion.COMPLETED, Success.UNKNOWN),
        (COMPLETED, PASSED, COMPLETED, Completion.COMPLETED, Success.PASSED),
        (PASSED, PASSED, PASSED, Completion.COMPLETED, Success.PASSED),
        (FAILED, None, None, Completion.INCOMPLETE, Success.FAILED),
        (PASSED, FAILED, PASSED, Completion.COMPLETED, Success.FAILED),
    ],
)
def test_several_items_roll_up(
    a: Standing, b: Standing | None, c: Standing | None, completion: Completion, success: Success
) -> None:
    known = {name: one for name, one in (("A", a), ("B", b), ("C", c)) if one is not None}
    rolled = roll_up(THREE, known)
    assert (rolled.completion, rolled.success) == (completion, success)


def test_an_item_that_cannot_be_opened_any_more_does_not_count() -> None:
    assert roll_up(THREE, {"GONE": FAILED, "G": FAILED}) == NOTHING


@pytest.mark.parametrize(
    ("known", "score"),
    [
        ({"A": COMPLETED, "B": COMPLETED}, NO_SCORE),
        ({"A": scored(0.5, raw=5, max=10), "B": COMPLETED}, Score(scaled=0.5, raw=5, max=10)),
        ({"A": scored(0.5), "B": scored(1.0)}, Score(scaled=0.75)),
        ({"A": scored(0.5, raw=5), "B": scored(1.0), "C": scored(raw=3)}, Score(scaled=0.75)),
        ({"A": scored(raw=3), "B": scored(raw=4)}, NO_SCORE),
        ({"A": scored(-1.0), "B": scored(1.0), "C": scored(1.0)}, Score(scaled=0.3333333)),
    ],
)
def test_the_score_of_several_is_the_mean_of_those_that_are_scaled(known: dict[str, Standing], score: Score) -> None:
    assert roll_up(THREE, known).score == score


@given(st.dictionaries(st.sampled_from(["A", "B", "C"]), standings))
def test_the_order_of_items_makes_no_difference(known: dict[str, Standing]) -> None:
    turned = course12(sco("C"), group("G", sco("B"), sco("A")))
    here, there = roll_up(THREE, known), roll_up(turned, known)
    assert (here.completion, here.success) == (there.completion, there.success)
    assert here.score.scaled == pytest.approx(there.score.scaled, abs=1e-6)


@pytest.mark.parametrize("completion", [False, True])
@pytest.mark.parametrize("success", [False, True])
@pytest.mark.parametrize("score", [False, True])
def test_what_a_caller_has_set_stands_and_the_rest_follows_the_items(
    completion: bool, success: bool, score: bool
) -> None:
    told = Standing(completion=Completion.COMPLETED, success=Success.PASSED, score=Score(scaled=1))
    rolled = Standing(completion=Completion.INCOMPLETE, success=Success.FAILED, score=Score(scaled=0))
    explicit = _set(completion, success, score)
    settled = settle(session(standing=told, explicit=explicit), rolled)
    assert settled.standing == Standing(
        completion=(told if completion else rolled).completion,
        success=(told if success else rolled).success,
        score=(told if score else rolled).score,
    )
    assert settled.explicit == explicit


@given(*[st.booleans()] * 6)
def test_what_was_set_is_void_exactly_where_a_deciding_element_was_written(
    a: bool, b: bool, c: bool, completion: bool, success: bool, score: bool
) -> None:
    after = overruled(_set(a, b, c), completion=completion, success=success, score=score)
    assert after == _set(a and not completion, b and not success, c and not score)


def _set(completion: bool, success: bool, score: bool) -> Explicit:
    return Explicit(
        completion_at=NOW if completion else None, success_at=NOW if success else None, score_at=NOW if score else None
    )
