"""In a page of another site, and in browsers that keep nothing, launch, commit and resume work all the same."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.player.hosts import page_with, platform
from tests.browser.player.learners import Customer, Player, profile
from tests.factories.courses import course, sco
from tests.web_server import WebServer


@pytest.fixture
def elsewhere() -> Iterator[WebServer]:
    with platform() as server:
        yield server


@pytest.mark.parametrize("blocks_storage", [True, False])
def test_a_course_in_a_page_of_another_site_launches_commits_and_resumes(
    customer: Customer, browser: Browser, tmp_path: Path, elsewhere: WebServer, blocks_storage: bool
) -> None:
    context = profile(browser, tmp_path, blocks_storage=blocks_storage)
    seat = customer.seat(course("2004", page=sco(leaving="pagehide")))
    player = Player.open(context, page_with(elsewhere, seat.url))
    player.set({"cmi.location": "page 7", "cmi.exit": "suspend"})
    seat.until(data={"cmi.location": "page 7"})
    player.page.close()
    seat.until(completion_status="completed", time_spent_seconds=120)
    again = Player.open(context, page_with(elsewhere, seat.launch()))
    assert (again.get("cmi.location"), again.get("cmi.entry")) == ("page 7", "resume")
    assert context.cookies() == []
    assert again.complaints == []
    context.close()


def test_where_storage_is_blocked_the_indicator_says_so(customer: Customer, browser: Browser, tmp_path: Path) -> None:
    context = profile(browser, tmp_path, blocks_storage=True)
    seat = customer.seat(course("1.2"))
    player = Player.open(context, seat.url)
    player.sco()
    storage = "(() => { try { return localStorage.length; } catch (error) { return error.name; } })()"
    assert player.run_page().evaluate(storage) == "SecurityError"
    player.is_saved()
    context.set_offline(True)
    player.set({"cmi.core.lesson_location": "page 7"})
    advice = "This browser keeps nothing for this site: please keep this page open until it says Saved."
    expect(player.page.get_by_role("status")).to_have_text(f"Not saved yet ({advice})")
    expect(player.page.get_by_role("alert")).to_have_text(advice)
    context.set_offline(False)
    player.is_saved()
    expect(player.page.get_by_role("alert")).to_be_hidden()
    seat.until(data={"cmi.core.lesson_location": "page 7"})
    context.close()


def test_where_storage_is_blocked_closing_still_saves(customer: Customer, browser: Browser, tmp_path: Path) -> None:
    context = profile(browser, tmp_path, blocks_storage=True)
    seat = customer.seat(course("1.2", page=sco(leaving="pagehide")))
    player = Player.open(context, seat.url)
    player.set({"cmi.core.lesson_location": "page 7"})
    player.page.close()
    seat.until(completion_status="completed", data={"cmi.core.lesson_location": "page 7"})
    context.close()


def test_a_course_in_another_sites_page_can_be_in_a_window_of_its_own(
    customer: Customer, browser: Browser, tmp_path: Path, elsewhere: WebServer
) -> None:
    context = profile(browser, tmp_path)
    seat = customer.seat(course("2004", page=sco(leaving="pagehide")))
    with context.expect_page(lambda page: "/content/" in page.url) as opened:
        player = Player.open(context, page_with(elsewhere, f"{seat.url}#window=1"))
    opened.value.wait_for_function("window.sco?.ready")
    assert opened.value.evaluate("sco.set({'cmi.location': 'page 7'})") == []
    opened.value.close()
    expect(player.page.frame_locator("iframe").get_by_role("heading", name="Course completed")).to_be_visible()
    seat.until(completion_status="completed", data={"cmi.location": "page 7"})
    context.close()
