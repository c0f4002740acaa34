"""Where a learner stands in a course: groups, what is open, and what is current."""

from server.domain.sequencing.default import DefaultSequencer
from server.domain.sessions.answers import Ancestors, Entry, Situation, of_group, situation
from server.domain.sessions.course import Course
from server.domain.sessions.model import Completion, Score, Standing, Success
from tests.factories.sessions import (
    COMPLETED,
    FAILED,
    INCOMPLETE,
    PASSED,
    asset,
    course12,
    course2004,
    group,
    sco,
    session,
)

COURSE = course12(
    group("G", sco("A"), group("H", asset("B"), group("HEADING"))),
    sco("C", prerequisites="A"),
)


def stand(course: Course, current: str | None = None, **standings: Standing) -> Situation:
    return situation(session(current_item=current), standings, course, DefaultSequencer())


def entries(of: Situation) -> dict[str, Entry]:
    found: dict[str, Entry] = {}

    def walk(entry: Entry) -> None:
        found[entry.item.identifier] = entry
        for child in entry.children:
            walk(child)

    for entry in of.contents():
        walk(entry)
    return found


def test_the_contents_have_the_shape_of_the_course() -> None:
    top = stand(COURSE).contents()
    assert [entry.item.identifier for entry in top] == ["G", "C"]
    assert [entry.item.identifier for entry in top[0].children] == ["A", "H"]
    assert list(entries(stand(COURSE))) == ["G", "A", "H", "B", "HEADING", "C"]


def test_only_what_can_be_chosen_now_is_open() -> None:
    def openable(situation: Situation) -> set[str]:
        return {name for name, entry in entries(situation).items() if entry.is_open}

    assert openable(stand(COURSE)) == {"A", "B"}
    assert openable(stand(COURSE, A=PASSED)) == {"A", "B", "C"}


def test_one_item_is_current() -> None:
    assert [name for name, entry in entries(stand(COURSE, "B")).items() if entry.is_current] == ["B"]
    assert not any(entry.is_current for entry in entries(stand(COURSE)).values())


def test_an_item_stands_as_it_was_judged() -> None:
    scored = Standing(completion=Completion.COMPLETED, score=Score(scaled=0.5))
    found = entries(stand(COURSE, A=scored))
    assert found["A"].standing == scored
    assert found["C"].standing == Standing()


def test_a_group_is_what_those_below_it_come_to() -> None:
    def of(name: str, **standings: Standing) -> tuple[Completion, Success]:
        found = entries(stand(COURSE, None, **standings))[name].standing
        return found.completion, found.success

    assert of("G") == (Completion.NOT_ATTEMPTED, Success.UNKNOWN)
    assert of("G", C=PASSED) == (Completion.NOT_ATTEMPTED, Success.UNKNOWN)
    assert of("G", A=INCOMPLETE) == (Completion.INCOMPLETE, Success.UNKNOWN)
    assert of("G", A=PASSED) == (Completion.INCOMPLETE, Success.UNKNOWN)
    assert of("G", A=FAILED) == (Completion.INCOMPLETE, Success.FAILED)
    assert of("G", A=PASSED, B=COMPLETED) == (Completion.COMPLETED, Success.PASSED)
    assert of("G", A=COMPLETED, B=COMPLETED) == (Completion.COMPLETED, Success.UNKNOWN)
    assert of("G", A=PASSED, B=FAILED) == (Completion.COMPLETED, Success.FAILED)


def test_a_heading_keeps_no_group_from_being_completed() -> None:
    found = entries(stand(COURSE, B=COMPLETED))
    assert found["H"].standing == COMPLETED
    assert found["HEADING"].standing == Standing()


def test_what_can_be_opened_and_holds_others_stands_for_itself() -> None:
    course = course2004(sco("P", children=(sco("A"),)))
    assert entries(stand(course, A=FAILED))["P"].standing == Standing()
    assert entries(stand(course, P=PASSED))["P"].standing == PASSED


def test_a_group_of_nothing_is_not_attempted() -> None:
    assert of_group([]) == Standing()


def test_a_change_shows_in_the_item_and_the_groups_around_it() -> None:
    assert [one.identifier for one in Ancestors.of(COURSE, "B").changed] == ["G", "H", "B"]
    assert [one.identifier for one in Ancestors.of(COURSE, "C").changed] == ["C"]
    assert Ancestors.of(COURSE, "NONE").changed == ()
