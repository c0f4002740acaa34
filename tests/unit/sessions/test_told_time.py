"""Time that a caller tells of a launch as a whole, and time that courses tell of their runs: it is the same time."""

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.factories.sessions import Play, course12, played, sco, untouched

TIME = "cmi.core.session_time"
seconds = st.integers(0, 59)


def told(play: Play, text: str, *, launch: int | None = None, to: str | None = "ITEM-1") -> Play:
    return play.updated(session_time=text, launch=launch, to=to)


def test_the_greatest_that_is_told_of_a_launch_counts() -> None:
    play = untouched(course12())
    for text, expected in (("PT10M", 600), ("PT10M", 600), ("PT5M", 600), ("0000:11:00", 660)):
        play = told(play, text)
        assert play.session.time_ms == expected * 1000
        assert play.session.session_time_ms == expected * 1000
        assert play.items["ITEM-1"].time_ms == expected * 1000


def test_launches_add_up() -> None:
    play = told(played(course12()), "PT10M")
    play = told(play.launched().opened(), "PT5M")
    assert play.session.time_ms == 900_000
    assert play.session.session_time_ms == 300_000
    assert play.items["ITEM-1"].time_ms == 900_000


def test_an_older_launch_may_be_told_of_later() -> None:
    play = told(told(played(course12()), "PT10M").launched().opened(), "PT5M")
    more = told(play, "PT12M", launch=1)
    assert more.session.time_ms == 17 * 60_000
    assert told(more, "PT11M", launch=1).session.time_ms == 17 * 60_000
    assert [more.launches[number].time_ms for number in (1, 2)] == [720_000, 300_000]


def test_what_a_course_and_a_caller_tell_of_the_same_launch_is_the_same_time() -> None:
    play = told(played(course12()).committed({TIME: "00:10:00"}), "PT10M")
    assert play.session.time_ms == 600_000
    longer = told(play, "PT30M").committed({TIME: "00:20:00"})
    assert longer.session.time_ms == 1_800_000
    assert longer.current.time_ms == 1_800_000
    assert longer.committed({TIME: "00:40:00"}).current.time_ms == 2_400_000


def test_run_time_data_and_the_launch_told_in_one_update_are_the_same_time() -> None:
    play = played(course12()).updated(cmi_data={TIME: "00:05:00"}, session_time="PT6M")
    assert play.session.time_ms == 360_000
    assert play.current.time_ms == 360_000


def test_several_items_share_a_launch() -> None:
    play = played(course12(sco("A"), sco("B")), "A").committed({TIME: "00:10:00"})
    play = play.opened("B").committed({TIME: "00:20:00"})
    assert play.session.time_ms == 1_800_000
    assert [play.items[name].time_ms for name in ("A", "B")] == [600_000, 1_200_000]
    whole = told(play, "PT25M", to=None)
    assert whole.session.time_ms == 1_800_000
    assert told(whole, "PT40M", to=None).session.time_ms == 2_400_000
    assert told(whole, "PT40M", to=None).items == whole.items


def test_an_item_that_is_named_gets_what_was_told() -> None:
    play = told(played(course12(sco("A"), sco("B")), "A"), "PT10M", to="B")
    assert play.items["B"].time_ms == 600_000
    assert play.items["A"].time_ms == 0


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("course"), seconds),
            st.tuples(st.just("caller"), seconds),
            st.tuples(st.just("run"), seconds),
            st.tuples(st.just("launch"), seconds),
        ),
        max_size=20,
    )
)
def test_the_only_item_takes_the_time_that_the_session_takes(steps: list[tuple[str, int]]) -> None:
    play = played(course12())
    for step, length in steps:
        before = play.session.time_ms
        match step:
            case "course":
                play = play.committed({TIME: f"00:00:{length:02}"})
            case "caller":
                play = told(play, f"PT{length}S")
            case "run":
                play = play.opened()
            case _:
                play = play.launched().opened()
        assert play.session.time_ms >= before
        assert play.current.time_ms == play.session.time_ms
        assert play.session.time_ms == sum(one.time_ms for one in play.launches.values())
