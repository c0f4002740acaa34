"""What run-time data say about completion, success and score."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.domain.cmi.elements import Version
from server.domain.manifest.model import CompletionThreshold, Item
from server.domain.packages import PackageSettings
from server.domain.sessions.judge import (
    decides_completion,
    decides_score,
    decides_success,
    judge,
    scaled_of,
)
from server.domain.sessions.model import NO_SCORE, Completion, Score, Standing, Success
from tests.factories.sessions import completion_set_by_content, passing, sco

BOTH, NEITHER = PackageSettings(), PackageSettings(failed_completes=False, mastery_overrides_status=False)
ONLY_MASTERY = PackageSettings(failed_completes=False)
ONLY_FAILED = PackageSettings(mastery_overrides_status=False)
STATUS, RAW, EXIT = "cmi.core.lesson_status", "cmi.core.score.raw", "cmi.core.exit"
UNKNOWN, PASSED, FAILED = Success.UNKNOWN, Success.PASSED, Success.FAILED
INCOMPLETE, COMPLETED = Completion.INCOMPLETE, Completion.COMPLETED


def judged(
    values: dict[str, str],
    *,
    version: Version = "1.2",
    of: Item | None = None,
    settings: PackageSettings = BOTH,
    ended: bool = False,
) -> Standing:
    return judge(values, item=of or sco(), version=version, settings=settings, is_terminated=ended)


def verdict(standing: Standing) -> tuple[Completion, Success]:
    return standing.completion, standing.success


@pytest.mark.parametrize("settings", [BOTH, NEITHER, ONLY_MASTERY, ONLY_FAILED])
@pytest.mark.parametrize("ended", [False, True])
@pytest.mark.parametrize("score", [None, "", "40", "90"])
@pytest.mark.parametrize(
    ("status", "completion", "success"),
    [
        ("passed", COMPLETED, PASSED),
        ("completed", COMPLETED, UNKNOWN),
        ("incomplete", INCOMPLETE, UNKNOWN),
        ("browsed", COMPLETED, UNKNOWN),
    ],
)
def test_without_a_mastery_score_the_status_decides(
    status: str,
    completion: Completion,
    success: Success,
    score: str | None,
    ended: bool,
    settings: PackageSettings,
) -> None:
    values = {STATUS: status} | ({} if score is None else {RAW: score})
    assert verdict(judged(values, settings=settings, ended=ended)) == (completion, success)


@pytest.mark.parametrize(
    ("settings", "completion"),
    [(BOTH, COMPLETED), (ONLY_FAILED, COMPLETED), (NEITHER, INCOMPLETE), (ONLY_MASTERY, INCOMPLETE)],
)
def test_whether_who_failed_has_completed_is_a_setting(settings: PackageSettings, completion: Completion) -> None:
    assert verdict(judged({STATUS: "failed"}, settings=settings)) == (completion, FAILED)


@pytest.mark.parametrize("status", [None, "", "not attempted"])
@pytest.mark.parametrize(
    ("leaving", "ended", "completion"),
    [
        ({}, False, INCOMPLETE),
        ({}, True, COMPLETED),
        ({EXIT: ""}, True, COMPLETED),
        ({EXIT: "logout"}, True, COMPLETED),
        ({EXIT: "time-out"}, True, COMPLETED),
        ({EXIT: "suspend"}, True, INCOMPLETE),
        ({EXIT: "suspend"}, False, INCOMPLETE),
    ],
)
def test_who_sets_no_status_completes_by_ending(
    status: str | None, leaving: dict[str, str], ended: bool, completion: Completion
) -> None:
    values = leaving if status is None else {**leaving, STATUS: status}
    assert verdict(judged(values, ended=ended)) == (completion, UNKNOWN)


@pytest.mark.parametrize("status", ["passed", "completed", "failed"])
@pytest.mark.parametrize(
    ("raw", "success"), [("79.99", FAILED), ("80", PASSED), ("80.0", PASSED), ("100", PASSED), ("0", FAILED)]
)
def test_a_mastery_score_decides_by_the_score_whatever_the_status_says(status: str, raw: str, success: Success) -> None:
    standing = judged({STATUS: status, RAW: raw}, of=sco(mastery_score=80.0))
    assert verdict(standing) == (COMPLETED, success)


@pytest.mark.parametrize("status", ["incomplete", "browsed"])
def test_a_mastery_score_does_not_end_what_goes_on(status: str) -> None:
    assert judged({STATUS: status, RAW: "100"}, of=sco(mastery_score=80.0)).success is UNKNOWN


@pytest.mark.parametrize(("raw", "success"), [("79", FAILED), ("80", PASSED)])
def test_a_mastery_score_decides_without_a_status_once_it_ends(raw: str, success: Success) -> None:
    mastered = sco(mastery_score=80.0)
    assert verdict(judged({RAW: raw}, of=mastered)) == (INCOMPLETE, UNKNOWN)
    assert verdict(judged({RAW: raw}, of=mastered, ended=True)) == (COMPLETED, success)
    assert verdict(judged({RAW: raw, EXIT: "suspend"}, of=mastered, ended=True)) == (INCOMPLETE, UNKNOWN)


def test_a_mastery_score_of_zero_is_one() -> None:
    assert judged({STATUS: "completed", RAW: "0"}, of=sco(mastery_score=0.0)).success is PASSED


@pytest.mark.parametrize("raw", [None, "", "nan", "inf", "-inf", "NaN", "1e999", "9" * 400, "x"])
def test_without_a_number_a_mastery_score_decides_nothing(raw: str | None) -> None:
    values = {STATUS: "completed"} | ({} if raw is None else {RAW: raw})
    standing = judged(values, of=sco(mastery_score=80.0))
    assert verdict(standing) == (COMPLETED, UNKNOWN)
    assert standing.score == NO_SCORE


def test_a_mastery_score_can_be_switched_off() -> None:
    mastered = sco(mastery_score=80.0)
    assert judged({STATUS: "passed", RAW: "10"}, of=mastered, settings=ONLY_FAILED).success is PASSED
    assert judged({STATUS: "passed", RAW: "10"}, of=mastered, settings=ONLY_MASTERY).completion is INCOMPLETE


@pytest.mark.parametrize(
    ("raw", "least", "most", "scaled"),
    [
        (80, None, None, 0.8),
        (8, 0, 10, 0.8),
        (15, 10, 20, 0.5),
        (0, None, None, 0),
        (1, 0, 3, 0.3333333),
        (5, 10, 20, -0.5),
        (0, 10, 20, -1),
        (None, 0, 100, None),
        (5, 5, 5, None),
        (5, 10, 0, None),
        (101, None, None, None),
        (0, 60, 100, None),
        (1e308, -1e308, 1e308, None),
    ],
)
def test_a_raw_score_is_scaled_where_that_makes_sense(
    raw: float | None, least: float | None, most: float | None, scaled: float | None
) -> None:
    assert scaled_of(raw, least, most) == scaled


@given(*[st.none() | st.floats()] * 3)
def test_a_scaled_score_is_never_beyond_its_bounds(raw: float | None, least: float | None, most: float | None) -> None:
    scaled = scaled_of(raw, least, most)
    assert scaled is None or -1 <= scaled <= 1


def test_all_parts_of_a_score_are_told() -> None:
    values = {RAW: "8", "cmi.core.score.min": "0", "cmi.core.score.max": "10"}
    assert judged(values).score == Score(scaled=0.8, raw=8, min=0, max=10)


# SCORM 2004.


@pytest.mark.parametrize(
    ("status", "completion"),
    [
        ("completed", COMPLETED),
        ("incomplete", INCOMPLETE),
        ("not attempted", INCOMPLETE),
        ("unknown", INCOMPLETE),
        (None, INCOMPLETE),
    ],
)
@pytest.mark.parametrize("success", ["passed", "failed", "unknown", None])
def test_2004_has_a_status_for_each(status: str | None, completion: Completion, success: str | None) -> None:
    values = {"cmi.completion_status": status} if status else {}
    values |= {"cmi.success_status": success} if success else {}
    assert verdict(judged(values, version="2004")) == (completion, Success(success or "unknown"))


@pytest.mark.parametrize(
    ("values", "of", "ended", "completion"),
    [
        ({}, sco(), True, COMPLETED),
        ({"cmi.completion_status": "unknown"}, sco(), True, COMPLETED),
        ({"cmi.exit": "normal"}, sco(), True, COMPLETED),
        ({"cmi.exit": "suspend"}, sco(), True, INCOMPLETE),
        ({}, sco(), False, INCOMPLETE),
        ({}, sco(sequencing=completion_set_by_content()), True, INCOMPLETE),
        ({"cmi.completion_status": "incomplete"}, sco(), True, INCOMPLETE),
    ],
)
def test_2004_completes_without_a_status_by_ending(
    values: dict[str, str], of: Item, ended: bool, completion: Completion
) -> None:
    assert judged(values, version="2004", of=of, ended=ended).completion is completion


def with_threshold(measure: float, *, counts: bool = True) -> Item:
    return sco(completion_threshold=CompletionThreshold(completed_by_measure=counts, min_progress_measure=measure))


@pytest.mark.parametrize("status", ["completed", "incomplete", "unknown", None])
@pytest.mark.parametrize(("progress", "completion"), [("0.79", INCOMPLETE), ("0.8", COMPLETED), ("1.0", COMPLETED)])
def test_a_completion_threshold_decides_by_progress_whatever_the_status_says(
    status: str | None, progress: str, completion: Completion
) -> None:
    values = {"cmi.progress_measure": progress} | ({"cmi.completion_status": status} if status else {})
    assert judged(values, version="2004", of=with_threshold(0.8)).completion is completion


def test_a_threshold_that_does_not_count_decides_nothing() -> None:
    values = {"cmi.progress_measure": "0.1", "cmi.completion_status": "completed"}
    assert judged(values, version="2004", of=with_threshold(0.8, counts=False)).completion is COMPLETED
    assert judged(values, version="2004").completion is COMPLETED


def test_without_progress_a_threshold_leaves_completion_to_the_content() -> None:
    of = with_threshold(0.8)
    assert judged({"cmi.completion_status": "completed"}, version="2004", of=of).completion is COMPLETED
    assert judged({"cmi.completion_status": "incomplete"}, version="2004", of=of, ended=True).completion is INCOMPLETE
    assert judged({}, version="2004", of=of).completion is INCOMPLETE
    assert judged({}, version="2004", of=of, ended=True).completion is COMPLETED


@pytest.mark.parametrize("status", ["passed", "failed", "unknown", None])
@pytest.mark.parametrize(
    ("scaled", "success"),
    [("0.69", FAILED), ("0.7", PASSED), ("1", PASSED), ("-1", FAILED)],
)
def test_a_passing_score_decides_by_the_score_whatever_the_status_says(
    status: str | None, scaled: str, success: Success
) -> None:
    values = {"cmi.score.scaled": scaled} | ({"cmi.success_status": status} if status else {})
    assert judged(values, version="2004", of=sco(sequencing=passing(0.7))).success is success


@pytest.mark.parametrize(("status", "success"), [("passed", PASSED), ("failed", FAILED), ("unknown", UNKNOWN)])
@pytest.mark.parametrize("scaled", [None, "nan"])
def test_without_a_score_a_passing_score_leaves_success_to_the_content(
    status: str, success: Success, scaled: str | None
) -> None:
    values = {"cmi.success_status": status} | ({"cmi.score.scaled": scaled} if scaled else {})
    assert judged(values, version="2004", of=sco(sequencing=passing(0.7))).success is success


def test_without_a_passing_score_the_score_decides_nothing() -> None:
    values = {"cmi.success_status": "failed", "cmi.score.scaled": "1"}
    assert judged(values, version="2004").success is FAILED


def test_2004_tells_scores_as_they_are() -> None:
    values = {"cmi.score.scaled": "0.5", "cmi.score.raw": "7", "cmi.score.min": "-3", "cmi.score.max": "inf"}
    assert judged(values, version="2004").score == Score(scaled=0.5, raw=7, min=-3)
    assert judged({"cmi.score.raw": "80"}, version="2004").score.scaled is None


@pytest.mark.parametrize(
    ("element", "completion", "success", "score"),
    [
        ("cmi.core.lesson_status", True, True, False),
        ("cmi.completion_status", True, False, False),
        ("cmi.progress_measure", True, False, False),
        ("cmi.success_status", False, True, False),
        ("cmi.score.scaled", False, True, True),
        ("cmi.score.raw", False, False, True),
        ("cmi.core.score.max", False, False, True),
        ("cmi.suspend_data", False, False, False),
        ("cmi.objectives.0.score.scaled", False, False, False),
        ("cmi.objectives.0.success_status", False, False, False),
        ("cmi.scaled_passing_score", False, False, False),
    ],
)
def test_which_elements_decide(element: str, completion: bool, success: bool, score: bool) -> None:
    written = ["cmi.location", element]
    by_status = decides_success(written, item=sco(), settings=PackageSettings())
    assert (decides_completion(written), by_status, decides_score(written)) == (completion, success, score)


def test_a_raw_score_decides_where_there_is_a_mastery_score_that_counts() -> None:
    mastered = sco(mastery_score=80)
    assert decides_success(["cmi.core.score.raw"], item=mastered, settings=PackageSettings())
    assert not decides_success(["cmi.core.score.max"], item=mastered, settings=PackageSettings())
    ignoring = PackageSettings(mastery_overrides_status=False)
    assert not decides_success(["cmi.core.score.raw"], item=mastered, settings=ignoring)
