"""Prerequisites of SCORM 1.2 in the language of AICC."""

import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from server.domain.manifest.model import Item
from server.domain.sequencing.navigation import Progress
from server.domain.sequencing.prerequisites import MAX_TOTAL_LENGTH, openable
from server.domain.sessions.model import Completion, Standing, Success
from tests.factories.sessions import COMPLETED, FAILED, INCOMPLETE, PASSED, course12, group, sco

# T is met, F is not; each other name has the standing that it says. GROUP holds two.
STANDINGS = {
    "T": COMPLETED,
    "PASSED": PASSED,
    "COMPLETED": COMPLETED,
    "FAILED": FAILED,
    "INCOMPLETE": INCOMPLETE,
    "HALF": Standing(completion=Completion.INCOMPLETE, success=Success.FAILED),
    "NEARLY": Standing(completion=Completion.INCOMPLETE, success=Success.PASSED),
    "IN-1": PASSED,
    "IN-2": COMPLETED,
}
OTHERS = [sco(name) for name in ("T", "F", "PASSED", "COMPLETED", "FAILED", "INCOMPLETE", "HALF", "NEARLY", "NOT")]
FIRST = [*OTHERS, group("GROUP", sco("IN-1"), sco("IN-2")), group("HEADING"), sco("1"), sco("s1.lesson-2_b")]


def is_open(prerequisites: str | None, **standings: Standing) -> bool:
    course = course12(*FIRST, sco("ITEM", prerequisites=prerequisites))
    return "ITEM" in openable(course, Progress(standings=STANDINGS | standings))


@pytest.mark.parametrize("text", [None, "", "   ", "\n"])
def test_without_prerequisites_everything_is_open(text: str | None) -> None:
    assert is_open(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("T", True),
        ("F", False),
        (" T ", True),
        ('"T"', True),
        ('"F"', False),
        ("1", False),
        ("s1.lesson-2_b", False),
        ("~T", False),
        ("~F", True),
        ("~ ~T", True),
        ("~~F", False),
        ("T&T", True),
        ("T & F", False),
        ("F&T", False),
        ("T|F", True),
        ("F | F", False),
        ("F|T", True),
        ("(T)", True),
        ("((F))", False),
    ],
)
def test_operators(text: str, value: bool) -> None:
    assert is_open(text) is value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("T|T&F", True),
        ("(T|T)&F", False),
        ("F&T|T", True),
        ("F&(T|T)", False),
        ("F&F|T", True),
        ("T|F&F|F", True),
        ("~F&F", False),
        ("~(F&F)", True),
        ("~T|T", True),
        ("~(T|T)", False),
        ('~T="completed"|T', True),
        ('~F<>"completed"', False),
    ],
)
def test_not_binds_more_than_and_which_binds_more_than_or(text: str, value: bool) -> None:
    assert is_open(text) is value


@pytest.mark.parametrize(
    ("name", "met"),
    [
        *(("PASSED", True), ("COMPLETED", True), ("NEARLY", True)),
        *(("FAILED", False), ("HALF", False), ("INCOMPLETE", False), ("NOT", False)),
    ],
)
def test_a_name_alone_is_met_by_who_completed_or_passed(name: str, met: bool) -> None:
    assert is_open(name) is met


@pytest.mark.parametrize(
    ("status", "who"),
    [
        ("passed", {"PASSED", "NEARLY"}),
        ("failed", {"FAILED", "HALF"}),
        ("completed", {"PASSED", "COMPLETED"}),
        ("browsed", {"PASSED", "COMPLETED", "FAILED"}),
        ("incomplete", {"INCOMPLETE", "HALF", "NEARLY"}),
        ("not attempted", {"NOT"}),
    ],
)
def test_a_status_is_compared(status: str, who: set[str]) -> None:
    names = {"PASSED", "COMPLETED", "FAILED", "INCOMPLETE", "HALF", "NEARLY", "NOT"}
    for spelled in (f'"{status}"', f'"{status.upper()}"', f'" {status} "', status[0], status[0].upper()):
        assert {name for name in names if is_open(f"{name}={spelled}")} == who
        assert {name for name in names if is_open(f"{name} <> {spelled}")} == names - who


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2*{T,T}", True),
        ("2*{T,F}", False),
        ("2 * { T , F , T }", True),
        ("1*{F,F}", False),
        ("0*{F}", True),
        ("3*{T,T}", False),
        ("2*{T,F&T,~F}", True),
        ("1*{1*{T}}", True),
        ("1*{F}|T", True),
        ("~2*{T,T}", False),
        ('1*{F="not attempted",F}', True),
        ("99999999999999999999*{T}", False),
    ],
)
def test_some_of_several(text: str, value: bool) -> None:
    assert is_open(text) is value


@pytest.mark.parametrize(
    ("one", "two", "value"),
    [
        (PASSED, COMPLETED, True),
        (PASSED, PASSED, True),
        (PASSED, INCOMPLETE, False),
        (PASSED, FAILED, False),
        (Standing(), Standing(), False),
    ],
)
def test_a_group_is_met_once_all_that_it_holds_is(one: Standing, two: Standing, value: bool) -> None:
    assert is_open("GROUP", **{"IN-1": one, "IN-2": two}) is value


def test_a_group_has_a_status() -> None:
    nothing = {"IN-1": Standing(), "IN-2": Standing()}
    assert is_open('GROUP="not attempted"', **nothing)
    assert is_open('GROUP="incomplete"', **{**nothing, "IN-1": PASSED})
    assert is_open('GROUP="failed"', **{"IN-1": FAILED})
    assert is_open('GROUP="passed"', **{"IN-1": PASSED, "IN-2": PASSED})
    assert not is_open('GROUP="passed"', **{"IN-1": PASSED, "IN-2": COMPLETED})


@pytest.mark.parametrize(
    "text",
    [
        *("F&", "&F", "F F", "F|", "()", "(F", "F)", "~", "F=", "F<>", '="p"', "F==p", 'F="', '"', 'F=""'),
        *("2*F", "2*{F", "2*{}", "2*{F,}", "*{F}", "-1*{F}", "x*{F}", "F,F", "{F}", "F>p", "F<p", "F!"),
        *("UNKNOWN", "F&UNKNOWN", 'F="excellent"', 'F<>"excellent"&F', "HEADING", "F&HEADING", "²*{F}"),
        *("(" * 60 + "F" + ")" * 60, "~" * 1001 + "F", "F" + "&F" * 3000),
    ],
)
def test_what_cannot_be_read_locks_nobody_out(text: str) -> None:
    assert is_open(text)


def test_the_prerequisites_of_a_group_close_all_that_it_holds() -> None:
    def opened(**standings: Standing) -> list[str]:
        course = course12(sco("A"), group("G", sco("B"), group("H", sco("C", prerequisites="B")), prerequisites="A"))
        return openable(course, Progress(standings=standings))

    assert opened() == ["A"]
    assert opened(B=PASSED) == ["A"]
    assert opened(A=PASSED) == ["A", "B"]
    assert opened(A=PASSED, B=PASSED) == ["A", "B", "C"]


def test_of_equal_identifiers_the_first_is_opened() -> None:
    course = course12(sco("A", prerequisites="F"), sco("F"), sco("A"))
    assert openable(course, Progress()) == ["F"]
    assert openable(course, Progress(standings={"F": PASSED})) == ["A", "F"]


tokens = st.sampled_from([*"&|~=(){},* ", "<>", "T", "F", "GROUP", "1", "2", '"passed"', '"', "UNKNOWN", "é", "\x00"])


@settings(max_examples=500, deadline=1000)
@given(st.one_of(st.text(max_size=60), st.lists(tokens, max_size=60).map("".join)))
@example("(" * 5000)
@example("1*{" * 1600)
@example('"' + "a" * 4999)
@example(" " * 4999 + "F")
@example("9" * 4990 + "*{T}")
def test_any_text_is_judged_and_says_nothing_of_other_items(text: str) -> None:
    course = course12(*FIRST, sco("ITEM", prerequisites=text), sco("LAST"))
    found = openable(course, Progress(standings=STANDINGS))
    assert set(course.launchable) - set(found) <= {"ITEM"}


@st.composite
def statements(draw: st.DrawFn, depth: int = 4) -> tuple[str, bool]:
    """A right statement and what it says, fully bracketed or not where that makes no difference."""
    if depth == 0 or draw(st.integers(0, 3)) == 0:
        return draw(st.sampled_from([("T", True), ("F", False), ('T="c"', True), ('F<>"n"', False)]))
    (left, a), (right, b) = draw(statements(depth=depth - 1)), draw(statements(depth=depth - 1))
    return draw(
        st.sampled_from(
            [
                (f"({left})&({right})", a and b),
                (f"({left}) | ({right})", a or b),
                (f"~({left})", not a),
                (f"1*{{{left},{right}}}", a or b),
                (f"2*{{{left},{right}}}", a and b),
                (f"T & ({left})|({right})", a or b),
                (f"({left})|F&({right})", a),
            ]
        )
    )


@given(statements())
def test_right_statements_mean_what_they_say(statement: tuple[str, bool]) -> None:
    text, value = statement
    assert is_open(text) is value


@pytest.mark.parametrize("text", ["G&" * 2499 + "G", "(" * 5000, "~" * 4999 + "G", "I1," * 1600, "1*{" * 1600])
def test_a_course_full_of_hostile_text_keeps_nobody_waiting(text: str) -> None:
    inside: list[Item] = [sco(f"I{number}", prerequisites=text) for number in range(1000)]
    begun = time.process_time()
    for items in (inside, inside[: MAX_TOTAL_LENGTH // len(text)]):
        openable(course12(group("G", *items)), Progress())
    assert time.process_time() - begun < 3
