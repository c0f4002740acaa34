"""Courses find the API wherever they are: in frames of frames, in pop-ups of their own, in a window of the player's."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.browser.player.learners import Customer, Player, found, profile
from tests.factories.courses import course, frameset, opener, sco


@pytest.mark.parametrize("version", ["1.2", "2004"])
def test_the_api_is_there_before_the_course(customer: Customer, context: BrowserContext, version: str) -> None:
    # Looks in the head of its page, as the first thing that it does.
    page = sco()["index.html"].replace(
        "<title>", "<script>window.early = parent.API || parent.API_1484_11;</script><title>"
    )
    player = Player.open(context, customer.seat(course(version, page={"index.html": page})).url)
    assert player.sco().evaluate("[sco.version, Boolean(window.early)]") == [version, True]


@pytest.mark.parametrize("version", ["1.2", "2004"])
def test_a_course_in_frames_of_frames_finds_it(customer: Customer, context: BrowserContext, version: str) -> None:
    seat = customer.seat(course(version, page=frameset(leaving="pagehide")))
    player = Player.open(context, seat.url)
    assert player.sco().evaluate("[sco.version, parent.parent === self]") == [version, False]
    player.exit()
    assert seat.read()["completion_status"] == "completed"


def test_a_course_that_looks_everywhere_meets_errors_and_goes_on(customer: Customer, context: BrowserContext) -> None:
    seat = customer.seat(course("1.2"))
    player = Player.open(context, seat.url)
    # The shell is of another origin: whoever looks into it gets an error, and nothing else.
    assert player.sco().evaluate("[climb(window.top, 'API'), ...new Set(window.refusals)]") == [None, "SecurityError"]
    player.set({"cmi.core.lesson_status": "completed"})
    seat.until(completion_status="completed")


def in_popup(view: Page) -> None:
    view.wait_for_function("window.sco?.ready")


@pytest.mark.parametrize("version", ["1.2", "2004"])
def test_a_pop_up_of_the_course_finds_it_through_its_opener(
    customer: Customer, context: BrowserContext, version: str
) -> None:
    seat = customer.seat(course(version, page=opener()))
    player = Player.open(context, seat.url)
    start = player.page.frame_locator("#content").frame_locator("#course").get_by_role("button", name="Start")
    with context.expect_page() as opened:
        start.click()
    view = opened.value
    in_popup(view)
    location = {"1.2": "cmi.core.lesson_location", "2004": "cmi.location"}[version]
    assert view.evaluate("sco.version") == version
    assert view.evaluate("name => sco.set({[name]: 'page 7'})", location) == []
    view.close()
    seat.until(data={location: "page 7"})


def windowed(url: str) -> str:
    """The link that opens the course in a window of its own."""
    return f"{url}#window=1"


def popup_of(context: BrowserContext) -> Page:
    return found(context.pages[0], lambda: next((one for one in context.pages if "/content/" in one.url), None))


def test_a_course_in_a_window_of_its_own_works_and_closing_it_ends_the_session(
    customer: Customer, context: BrowserContext
) -> None:
    seat = customer.seat(course("1.2", page=sco(leaving="pagehide")))
    player = Player.open(context, windowed(seat.url))
    view = popup_of(context)
    in_popup(view)
    assert view.evaluate("sco.version") == "1.2"
    assert view.evaluate("sco.set({'cmi.core.lesson_location': 'page 7'})") == []
    expect(player.page.frame_locator("#content").get_by_role("status")).to_contain_text("open in another window")
    view.close()
    player.says("Course completed")
    seat.until(completion_status="completed", data={"cmi.core.lesson_location": "page 7"})


def test_a_window_is_closed_when_the_player_is_left(customer: Customer, context: BrowserContext) -> None:
    seat = customer.seat(course("2004", page=sco(leaving="pagehide")))
    player = Player.open(context, windowed(seat.url))
    view = popup_of(context)
    in_popup(view)
    player.exit()
    assert view.is_closed()
    assert seat.read()["completion_status"] == "completed"


def test_a_blocked_window_leaves_a_link_that_opens_it(customer: Customer, browser: Browser, tmp_path: Path) -> None:
    context = profile(browser, tmp_path, blocks_popups=True)
    seat = customer.seat(course("2004"))
    player = Player.open(context, windowed(seat.url))
    # Only then may the test look into the frame: for Chromium that is a touch of the user's, which allows pop-ups.
    expect(player.page.locator("body[data-ready]")).to_be_attached()
    inside = player.page.frame_locator("#content")
    link = inside.get_by_role("link", name="Open the course in a new tab")
    expect(link).to_be_visible()
    expect(inside.get_by_role("button", name="Open the course")).to_be_visible()
    with context.expect_page() as opened:
        link.click()
    in_popup(opened.value)
    assert opened.value.evaluate("sco.set({'cmi.location': 'page 7'})") == []
    seat.until(data={"cmi.location": "page 7"})
    opened.value.close()
    player.says("Your progress is saved")
    context.close()


@pytest.mark.parametrize("cached", [True, False])
def test_going_back_to_the_player_opens_the_course_again(
    customer: Customer, browser: Browser, tmp_path: Path, cached: bool
) -> None:
    context = profile(browser, tmp_path, caches_pages=cached)
    seat = customer.seat(course("2004"))
    player = Player.open(context, seat.url)
    player.set({"cmi.location": "page 7"})
    player.page.goto(f"{customer.stack.base_url}/api/health")
    player.page.go_back()
    assert player.get("cmi.location") == "page 7"
    player.set({"cmi.location": "page 8"})
    seat.until(data={"cmi.location": "page 8"})
    context.close()
