"""However a learner leaves, what the course has set is on the server."""

import random
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import psutil
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.browser.player.hosts import Line, line_to
from tests.browser.player.learners import Customer, Player, Seat, found, profile
from tests.factories.courses import LEAVING, course, sco

LEAVES: dict[str, Callable[[Page], object]] = {
    "closes": lambda page: page.close(),
    "asked": lambda page: page.close(run_before_unload=True),
    "elsewhere": lambda page: page.goto("about:blank"),
    "reloads": lambda page: page.reload(),
}
# The browser itself skips beforeunload where a tab is closed without asking.
LAST_MOMENTS = [
    ("pagehide", "closes", "1.2"),
    ("pagehide", "asked", "2004"),
    ("pagehide", "elsewhere", "2004"),
    # In SCORM 2004 a reloaded page begins a new attempt on what has ended, with empty data.
    ("pagehide", "reloads", "1.2"),
    ("unload", "closes", "2004"),
    ("unload", "elsewhere", "1.2"),
    ("beforeunload", "asked", "2004"),
    ("beforeunload", "reloads", "1.2"),
]


@pytest.mark.parametrize(("event", "leaves", "version"), LAST_MOMENTS)
def test_what_a_course_says_in_its_last_moment_arrives(
    customer: Customer, context: BrowserContext, version: str, event: str, leaves: str
) -> None:
    seat = customer.seat(course(version, page=sco(leaving=event)))
    player = Player.open(context, seat.url)
    player.sco()
    LEAVES[leaves](player.page)
    # A reloaded page is a new run, whose session time begins anew.
    kept = {name: value for name, value in LEAVING[version].items() if "session_time" not in name}
    session = seat.until(data=kept, completion_status="completed", time_spent_seconds=120)
    assert session["score"]["scaled"] == 0.8


def test_what_a_course_never_committed_arrives(customer: Customer, context: BrowserContext) -> None:
    seat = customer.seat(course("2004"))
    player = Player.open(context, seat.url)
    player.set({"cmi.location": "page 7"})
    player.page.close()
    seat.until(data={"cmi.location": "page 7"})


def test_closing_the_whole_browser_loses_nothing(customer: Customer, browser: Browser, tmp_path: Path) -> None:
    for turn in range(5):
        seat = customer.seat(course("1.2", page=sco(leaving="pagehide")))
        context = profile(browser, tmp_path / str(turn))
        Player.open(context, seat.url).set({"cmi.core.lesson_location": "page 7"})
        context.close()
        try:
            seat.until(data={"cmi.core.lesson_location": "page 7"}, completion_status="completed", patience_seconds=5)
            return
        except AssertionError:
            # A browser that ends may drop what it was just told to send: then the next launch brings it. On a busy
            # machine it may even end before the course heard that it would, which therefore never set its last values.
            context = profile(browser, tmp_path / str(turn))
            Player.open(context, seat.launch())
            told = seat.until(data={"cmi.core.lesson_location": "page 7"})
            context.close()
            if told["completion_status"] == "completed":
                return
    raise AssertionError("no browser let the course say its last")


def interactions(many: int) -> dict[str, str]:
    """So many answered questions."""
    draw = random.Random(7)
    values: dict[str, str] = {}
    for index in range(many):
        at = f"cmi.interactions.{index}."
        values[at + "id"] = f"question-{index}"
        values[at + "type"] = "choice"
        values[at + "learner_response"] = draw.choice("abcdef")
        values[at + "result"] = draw.choice(["correct", "incorrect"])
        values[at + "latency"] = f"PT{draw.randint(1, 90)}S"
    return values


def suspended(length: int) -> str:
    """What an authoring tool keeps: much of it alike."""
    draw = random.Random(11)
    text = ""
    while len(text) < length:
        slide, seen, answer = draw.randint(1, 400), draw.choice(["true", "false"]), f"{draw.random():.6f}"
        text += f'{{"slide":{slide},"seen":{seen},"answer":"{answer}"}},'
    return text[:length]


MUCH = {"cmi.suspend_data": suspended(64_000), **interactions(300), "cmi.completion_status": "completed"}


def arrives(seat: Seat, context: BrowserContext, data: Mapping[str, str]) -> bool:
    """Whether it arrived by itself. Fails if not even the next launch brings it.

    A browser gives a page half a second to leave, which a busy machine may need for anything.
    """
    try:
        seat.until(data=data, completion_status="completed", patience_seconds=8)
    except AssertionError:
        Player.open(context, seat.url)
        seat.until(data=data, completion_status="completed")
        return False
    return True


def test_much_that_was_set_just_before_survives_closing(customer: Customer, context: BrowserContext) -> None:
    for _ in range(5):
        seat = customer.seat(course("2004"))
        player = Player.open(context, seat.url)
        player.set(MUCH)
        player.page.close()
        if arrives(seat, context, MUCH):
            return
    raise AssertionError("it never arrived but by the next launch")


def in_the_last_moment() -> dict[str, str]:
    """A page that sets in its last moment what `window.much` holds, and suspends: it is all there the next time."""
    last = 'sco.set({...window.much, "cmi.exit": "suspend"}); bare("Terminate", "");'
    return sco(script=f'addEventListener("pagehide", () => {{ {last} }});')


def test_much_that_is_set_in_the_last_moment_survives_closing(customer: Customer, context: BrowserContext) -> None:
    for _ in range(5):
        seat = customer.seat(course("2004", page=in_the_last_moment()))
        player = Player.open(context, seat.url)
        player.sco().evaluate("values => { window.much = values; }", MUCH)
        player.page.close()
        try:
            seat.until(data=MUCH, completion_status="completed", patience_seconds=8)
            return
        except AssertionError:
            # Half a second may end before the course has set all: then what it had set, from the first on, is there.
            Player.open(context, seat.url).is_saved()
            told = seat.read()["cmi_data"]
            came = [name for name, value in MUCH.items() if told.get(name) == value]
            assert came == list(MUCH)[: len(came)]
    raise AssertionError("it never arrived but by the next launch")


def test_what_no_browser_would_send_in_the_last_moment_is_sent_at_the_next_launch(
    customer: Customer, context: BrowserContext
) -> None:
    seat = customer.seat(course("2004", page=in_the_last_moment()))
    draw = random.Random(3)
    text = "".join(chr(draw.randint(0x4E00, 0x9FFF)) for _ in range(64_000))  # compresses to far more than 64 KiB
    player = Player.open(context, seat.url)
    much = {"cmi.suspend_data": text, "cmi.completion_status": "completed"}
    player.sco().evaluate("values => { window.much = values; }", much)
    player.page.close()
    Player.open(context, seat.launch())
    seat.until(data=much)


@pytest.fixture
def line(customer: Customer) -> Iterator[Line]:
    """To the gateway."""
    with line_to(customer.stack.port) as line:
        yield line


@pytest.mark.parametrize("terminates", [True, False])
def test_what_was_done_offline_is_kept_and_sent_at_the_next_launch(
    customer: Customer, browser: Browser, tmp_path: Path, line: Line, terminates: bool
) -> None:
    seat = customer.seat(course("1.2"))
    context = profile(browser, tmp_path, arguments=(line.argument,))
    player = Player.open(context, seat.url)
    player.sco()
    line.cut()
    values = {"cmi.core.lesson_location": "page 7", "cmi.core.lesson_status": "completed"}
    player.set(values)
    expect(player.page.get_by_text("Offline – will be saved")).to_be_visible()
    if terminates:
        assert player.call("Terminate", "") == ("true", "0")
    player.page.close()
    context.close()
    line.mend()
    assert seat.read()["completion_status"] == "incomplete"
    # The same browser, another day.
    context = profile(browser, tmp_path, arguments=(line.argument,))
    again = Player.open(context, seat.url)
    assert again.get("cmi.core.lesson_location") == "page 7"
    seat.until(data=values, completion_status="completed")
    assert again.get("cmi.core.entry") == ("" if terminates else "resume")
    context.close()


def test_work_goes_on_offline_and_is_saved_once_the_network_is_back(
    customer: Customer, context: BrowserContext
) -> None:
    seat = customer.seat(course("2004"))
    player = Player.open(context, seat.url)
    player.sco()
    context.set_offline(True)
    player.set({"cmi.location": "page 7"})
    assert player.call("Commit", "") == ("true", "0")
    expect(player.page.get_by_text("Offline – will be saved")).to_be_visible()
    player.button("Exit").click()
    expect(player.page.get_by_role("alert")).to_contain_text("not saved yet")
    context.set_offline(False)
    player.says("Your progress is saved")
    seat.until(data={"cmi.location": "page 7"})


def process_of(folder: Path) -> psutil.Process:
    """The browser whose profile lies in a folder."""
    words = {f"--user-data-dir={folder}"}
    running = [one for one in psutil.process_iter(["cmdline"]) if words & set(one.info["cmdline"] or [])]
    pids = {one.pid for one in running}
    return next(one for one in running if one.ppid() not in pids)


def test_pages_that_crash_lose_nothing(customer: Customer, browser: Browser, tmp_path: Path, line: Line) -> None:
    seat = customer.seat(course("2004"))
    context = profile(browser, tmp_path, arguments=(line.argument,))
    player = Player.open(context, seat.url)
    player.sco()
    line.cut()
    player.set({"cmi.location": "page 7"})
    with player.page.expect_event("crash"):
        for child in process_of(tmp_path).children(recursive=True):
            if "--type=renderer" in child.cmdline():
                child.kill()
    context.close()
    line.mend()
    context = profile(browser, tmp_path, arguments=(line.argument,))
    assert Player.open(context, seat.url).get("cmi.location") == "page 7"
    seat.until(data={"cmi.location": "page 7"})
    context.close()


def on_disk(folder: Path, text: bytes) -> bool:
    """Whether a file of the profile's local storage has the text."""
    return any(text in file.read_bytes() for file in folder.glob("*/Local Storage/leveldb/*.log"))


def test_a_browser_that_is_killed_offline_loses_nothing(customer: Customer, browser: Browser, tmp_path: Path) -> None:
    seat: Seat = customer.seat(course("2004"))
    context = profile(browser, tmp_path)
    player = Player.open(context, seat.url)
    player.sco()
    context.set_offline(True)
    player.set({"cmi.location": "the-page-of-before"})
    # Chromium writes to disk after some seconds, and no page can make it hurry.
    found(player.page, lambda: on_disk(tmp_path, b"the-page-of-before") or None)
    process_of(tmp_path).kill()
    assert seat.read()["cmi_data"] == {}
    context = profile(browser, tmp_path)
    again = Player.open(context, seat.url)
    assert again.get("cmi.location") == "the-page-of-before"
    assert again.get("cmi.entry") == "resume"
    seat.until(data={"cmi.location": "the-page-of-before"})
    context.close()
