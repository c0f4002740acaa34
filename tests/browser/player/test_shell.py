"""The player itself: its words, its keys, its end, and what it keeps its hands off."""

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.browser.player.hosts import platform
from tests.browser.player.learners import Customer, Player, found
from tests.factories import course_files, manifest12, package
from tests.factories.courses import course, sco
from tests.web_server import WebServer, answer


def test_a_whole_session_asks_nobody_else_sets_no_cookie_and_breaks_no_policy(
    customer: Customer, context: BrowserContext
) -> None:
    seat = customer.seat(course("2004", scos=2))
    player = Player.open(context, seat.url)
    player.set({"cmi.completion_status": "completed"})
    player.button("Next").click()
    player.sco("Lesson 2")
    player.exit()
    player.page.reload()
    player.sco("Lesson 2")
    assert player.hosts == {urlsplit(url).netloc for url in (customer.stack.base_url, customer.stack.content_url)}
    assert context.cookies() == []
    assert player.complaints == []


def test_everything_has_a_name_and_a_role(customer: Customer, context: BrowserContext) -> None:
    player = Player.open(context, customer.seat(course("1.2", scos=2, title="Workplace Safety")).url)
    player.sco("Lesson 1")
    page = player.page
    expect(page).to_have_title("Lesson 1 – Workplace Safety")
    expect(page.get_by_role("banner").get_by_role("heading", name="Workplace Safety", level=1)).to_be_visible()
    expect(page.get_by_role("banner").get_by_text("Ada Lovelace")).to_be_visible()
    expect(page.get_by_role("status")).to_have_text("Saved")
    expect(page.get_by_role("main", name="Course")).to_be_visible()
    contents = page.get_by_role("navigation", name="Contents")
    expect(contents.get_by_role("progressbar", name="0 of 2 completed")).to_be_visible()
    first = contents.get_by_role("button", name="Lesson 1 (In progress)")
    expect(first).to_have_attribute("aria-current", "true")
    expect(contents.get_by_role("button", name="Lesson 2 (Not started)")).to_be_enabled()
    expect(player.button("Contents")).to_have_attribute("aria-expanded", "true")
    expect(page.frame_locator("#content").locator("#course")).to_have_attribute("title", "Lesson 1")
    assert page.locator("#content").get_attribute("title") == "Lesson 1"
    for name in ("Previous", "Next", "Exit"):
        expect(player.button(name)).to_be_visible()


def focus_moved(page: Page, last: str) -> str:
    """The name of what has the keyboard next. The way into a frame, or out of it, takes a moment."""

    def look() -> str | None:
        name = page.evaluate(
            "(one => one === document.body ? null : one.innerText || one.title || one.id)(document.activeElement)"
        )
        return None if name in (None, last) else str(name)

    return found(page, look)


def test_the_keyboard_reaches_everything_in_the_order_of_the_page(customer: Customer, context: BrowserContext) -> None:
    player = Player.open(context, customer.seat(course("1.2", scos=3)).url)
    player.sco("Lesson 1")
    page = player.page
    player.button("Next").click()
    player.sco("Lesson 2")
    page.get_by_role("link", name="Skip to the course").focus()
    seen = ["Skip to the course"]
    for _ in range(8):
        page.keyboard.press("Tab")
        seen.append(focus_moved(page, seen[-1]))
    # Between the contents and the buttons below it is in the course.
    names = ["Contents", "Exit", "Lesson 1", "Lesson 2", "Lesson 3", "Lesson 2", "Previous", "Next"]
    assert [name.split("(")[0].strip() for name in seen[1:]] == names
    page.get_by_role("navigation").get_by_role("button", name="Lesson 3").focus()
    page.keyboard.press("Enter")
    player.sco("Lesson 3")
    player.button("Previous").focus()
    page.keyboard.press("Space")
    player.sco("Lesson 2")


def test_the_skip_link_leads_into_the_course(customer: Customer, context: BrowserContext) -> None:
    player = Player.open(context, customer.seat(course("1.2", scos=2)).url)
    player.sco("Lesson 1")
    skip = player.page.get_by_role("link", name="Skip to the course")
    skip.focus()
    expect(skip).to_be_in_viewport()
    player.page.keyboard.press("Enter")
    assert player.page.evaluate("document.activeElement.id") == "stage"


@pytest.fixture
def phone(browser: Browser) -> Iterator[BrowserContext]:
    """A small screen."""
    opened = browser.new_context(viewport={"width": 390, "height": 780}, has_touch=True, is_mobile=True)
    yield opened
    opened.close()


def test_on_a_phone_the_contents_are_a_drawer_that_escape_closes(customer: Customer, phone: BrowserContext) -> None:
    player = Player.open(phone, customer.seat(course("2004", scos=3)).url)
    player.sco("Lesson 1")
    contents = player.page.get_by_role("navigation", name="Contents")
    toggle = player.page.get_by_role("button", name="Contents")
    expect(contents).to_be_hidden()
    toggle.click()
    expect(contents.get_by_role("button", name=re.compile("Lesson 1"))).to_be_focused()
    player.page.keyboard.press("Escape")
    expect(contents).to_be_hidden()
    expect(toggle).to_be_focused()
    toggle.click()
    contents.get_by_role("button", name=re.compile("Lesson 3")).click()
    player.sco("Lesson 3")
    expect(contents).to_be_hidden()
    assert player.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_on_a_phone_a_message_does_not_come_up_behind_the_contents(customer: Customer, phone: BrowserContext) -> None:
    seat = customer.seat(course("2004", scos=3))
    player = Player.open(phone, seat.url)
    player.sco("Lesson 1")
    player.page.get_by_role("button", name="Contents").click()
    customer.ask("POST", f"/api/v1/sessions/{seat.id}/revoke", {})
    player.set({"cmi.location": "page 7"})
    expect(player.page.get_by_role("heading", name="This link is not valid any more")).to_be_focused()


def test_a_course_of_one_lesson_has_no_contents_to_open(customer: Customer, context: BrowserContext) -> None:
    seat = customer.seat(course("1.2"))
    player = Player.open(context, seat.url)
    player.sco()
    expect(player.button("Contents")).to_be_hidden()
    player.exit()
    expect(player.page.get_by_role("term").filter(has_text="Progress")).to_be_visible()
    expect(player.page.get_by_role("term").filter(has_text="Time")).to_be_hidden()
    expect(Player.open(context, f"{seat.launch()}#controls=all").button("Contents")).to_be_visible()


def test_a_locked_item_says_so_to_the_keyboard_too(customer: Customer, context: BrowserContext) -> None:
    closed = "<title>Lesson 2</title><adlcp:prerequisites type='aicc_script'>ITEM-1</adlcp:prerequisites>"
    manifest = manifest12(scos=2).replace("<title>Lesson 2</title>", closed)
    page = sco()["index.html"].encode()
    files = {"imsmanifest.xml": manifest.encode(), **course_files(), "sco1/index.html": page, "sco2/index.html": page}
    player = Player.open(context, customer.seat(package(files)).url)
    player.sco()
    contents = player.page.get_by_role("navigation", name="Contents")
    locked = contents.get_by_role("button", name="Lesson 2 (Locked)")
    expect(locked).to_be_disabled()
    locked.focus()
    expect(locked).to_be_focused()
    player.page.keyboard.press("Enter")
    player.set({"cmi.core.lesson_status": "completed"})
    second = contents.get_by_role("button", name="Lesson 2 (Not started)")
    expect(second).to_be_enabled()
    assert second.get_attribute("aria-current") is None
    second.click()
    expect(contents.get_by_role("button", name="Lesson 2 (In progress)")).to_have_attribute("aria-current", "true")


def test_the_end_shows_what_was_achieved(customer: Customer, context: BrowserContext) -> None:
    seat = customer.seat(course("2004", scos=2))
    player = Player.open(context, seat.url)
    result = {"cmi.success_status": "passed", "cmi.score.scaled": "0.85", "cmi.session_time": "PT12M"}
    player.set({"cmi.completion_status": "completed", **result})
    player.button("Next").click()
    player.sco("Lesson 2")
    player.exit()
    card = player.page.get_by_role("main")
    expect(card.get_by_role("heading", name="Your progress is saved")).to_be_focused()
    expect(card.get_by_role("listitem").filter(has_text="Lesson 1")).to_contain_text("Passed · 85 %")
    expect(card.get_by_role("listitem").filter(has_text="Lesson 2")).to_contain_text("In progress")
    expect(card).to_contain_text("12 min")
    expect(player.button("Exit")).to_be_hidden()


@pytest.fixture
def elsewhere() -> Iterator[WebServer]:
    with platform() as server:
        yield server


def test_leaving_leads_where_the_customer_wants(
    customer: Customer, context: BrowserContext, elsewhere: WebServer
) -> None:
    elsewhere.answers["/back"] = answer(200, b"<h1>Welcome back</h1>", content_type="text/html")
    target = elsewhere.url("/back?from=course", host="platform.localhost")
    player = Player.open(context, customer.seat(course("1.2"), redirect_url=target).url)
    player.set({"cmi.core.lesson_status": "completed"})
    player.button("Exit").click()
    player.page.wait_for_url(target)
    assert player.page.get_by_role("heading").inner_text() == "Welcome back"
    asked = next(one for one in elsewhere.asked if one.target.startswith("/back"))
    assert "referer" not in asked.headers, "it would tell the link"


def test_a_link_that_never_was_or_has_expired_says_so(customer: Customer, context: BrowserContext) -> None:
    seat = customer.seat(course("1.2"))
    page = context.new_page()
    response = page.goto(seat.url[:-6] + "abcdef")
    assert response is not None
    assert response.status == 404
    expect(page.get_by_role("heading", level=1)).to_have_text("This link is invalid")


def test_a_revoked_link_says_so_and_an_open_player_ends(customer: Customer, context: BrowserContext) -> None:
    seat = customer.seat(course("1.2"))
    player = Player.open(context, seat.url)
    player.set({"cmi.core.lesson_location": "page 7"})
    seat.until(data={"cmi.core.lesson_location": "page 7"})
    customer.ask("POST", f"/api/v1/sessions/{seat.id}/revoke", {})
    player.set({"cmi.core.lesson_location": "page 8"})
    player.says("This link is not valid any more")
    response = player.page.goto(seat.url)
    assert response is not None
    assert response.status == 410
    expect(player.page.get_by_role("heading", level=1)).to_have_text("This link was revoked")
    again = Player.open(context, seat.launch())
    assert again.get("cmi.core.lesson_location") == "page 7"


def test_the_player_of_a_deleted_session_ends(customer: Customer, context: BrowserContext) -> None:
    seat = customer.seat(course("2004"))
    player = Player.open(context, seat.url)
    player.sco()
    customer.ask("DELETE", f"/api/v1/sessions/{seat.id}")
    player.set({"cmi.location": "page 7"})
    player.says("This link is not valid any more")
    response = player.page.reload()
    assert response is not None
    assert response.status == 410


def test_a_preview_plays_and_records_nothing(customer: Customer, context: BrowserContext) -> None:
    archive = course("1.2", title="Preview", scos=2)
    package = customer.upload(archive)
    preview = customer.ask("POST", f"/api/v1/packages/{package}/preview", {})["preview"]
    player = Player.open(context, preview["launch_url"])
    expect(player.page.get_by_text("Preview – nothing is recorded")).to_be_visible()
    player.sco("Lesson 1")
    player.set({"cmi.core.lesson_status": "completed"})
    assert player.call("Terminate", "") == ("true", "0")
    player.button("Next").click()
    player.sco("Lesson 2")
    player.exit()
    expect(player.page.get_by_text("This was a preview: nothing was recorded.")).to_be_visible()
    assert customer.ask("GET", f"/api/v1/sessions?package_id={package}")["sessions"] == []


def test_a_link_goes_on_when_the_server_was_away(customer: Customer, context: BrowserContext) -> None:
    seat = customer.seat(course("1.2"))
    page = context.new_page()
    page.route("**/launch", lambda route: route.abort(), times=2)
    player = Player(page)
    page.goto(seat.url)
    expect(page.get_by_role("alert")).to_contain_text("Trying again")
    player.set({"cmi.core.lesson_status": "completed"})
    expect(page.get_by_role("alert")).to_be_hidden()
    found(page, lambda: page.locator("#indicator[data-state=saved]").count() or None)
    seat.until(completion_status="completed")
