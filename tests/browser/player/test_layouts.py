"""Packages as authoring tools write them play: whatever lies where, under one token and on one path."""

import re

import pytest
from playwright.sync_api import BrowserContext, Response

from tests.browser.player.learners import Customer, Player
from tests.factories import course_files, manifest12, package, scorm12_package, scorm2004_package
from tests.factories.courses import course, sco

PAGE = sco()["index.html"].encode()
FIRST = 'href="sco1/index.html">'
FILES = '<file href="sco1/index.html"/><file href="sco1/picture.png"/>'


@pytest.mark.parametrize("archive", [scorm12_package(), scorm2004_package()], ids=["1.2", "2004"])
def test_what_belongs_to_a_course_loads_under_the_token_of_its_page(
    customer: Customer, context: BrowserContext, archive: bytes
) -> None:
    seat = customer.seat(archive)
    answers: list[Response] = []
    context.on("response", lambda response: answers.append(response))
    player = Player.open(context, seat.url)
    frame = player.page.frame_locator("#content").frame_locator("#course")
    frame.locator("html[data-loaded=yes]").wait_for()
    assert frame.locator("#state").text_content() in ("1.2", "2004")
    assert frame.locator("#picture").evaluate("picture => picture.decode().then(() => picture.naturalWidth)") > 0
    assert frame.locator("h1").evaluate("heading => getComputedStyle(heading).color") == "rgb(0, 0, 128)"
    content = [answer for answer in answers if "/content/" in answer.url]
    assert len(content) == 4
    assert {answer.status for answer in content} == {200}
    assert len({answer.url.split("/content/")[1].split("/")[0] for answer in content}) == 1
    seat.until(completion_status="completed")


def renamed(href: str, name: str, *, base: str = "") -> bytes:
    """The lesson's page is called `name` in the archive and `href` in the manifest."""
    manifest = manifest12().replace(FIRST, f'href="{href}"{base}>', 1).replace(FILES, "", 1)
    files = {name: PAGE} if name != "sco1/index.html" else {}
    return package({"imsmanifest.xml": manifest.encode(), **course_files(), **files})


LAYOUTS = {
    "in a folder": course("1.2", folder="My course/export/"),
    "a space": renamed("sco1/my%20page.html", "sco1/my page.html"),
    "a percent sign": renamed("sco1/100%25.html", "sco1/100%.html"),
    "a percent sign as it is": renamed("sco1/50%.html", "sco1/50%.html"),
    "other letters": renamed("sco1/größe%20☂.html", "sco1/größe ☂.html"),
    "other letters, encoded": renamed("sco1/gr%C3%B6%C3%9Fe.html", "sco1/größe.html"),
    "a base": renamed("page.html", "deep/er/page.html", base=' xml:base="deep/er/"'),
    "a hash and a query": renamed("sco1/page.html?lang=en#top", "sco1/page.html"),
    "backslashes": renamed("sco1/page.html", "sco1\\page.html"),
    "another case": renamed("sco1/Page.HTML", "sco1/page.html"),
    "rubbish beside it": course("1.2", files={"__MACOSX/._sco1": b"\0", ".DS_Store": b"\0", "Thumbs.db": b"\0"}),
}


@pytest.mark.parametrize("archive", LAYOUTS.values(), ids=LAYOUTS)
def test_an_unusual_package_plays(customer: Customer, context: BrowserContext, archive: bytes) -> None:
    seat = customer.seat(archive)
    player = Player.open(context, seat.url)
    player.set({"cmi.core.lesson_status": "completed"})
    player.page.close()
    seat.until(completion_status="completed")


@pytest.mark.parametrize(
    ("parameters", "search", "fragment"),
    [
        ("?lang=en&mode=a%20b", "?lang=en&mode=a%20b", ""),
        ("lang=en", "?lang=en", ""),
        ("#chapter-2", "", "#chapter-2"),
    ],
)
def test_parameters_of_an_item_stay_in_its_address(
    customer: Customer, context: BrowserContext, parameters: str, search: str, fragment: str
) -> None:
    player = Player.open(context, customer.seat(course("2004", parameters=parameters)).url)
    assert player.sco().evaluate("[location.search, location.hash]") == [search, fragment]


def test_a_package_of_very_many_files_uploads_and_plays(customer: Customer, context: BrowserContext) -> None:
    many = {f"media/{number}.txt": b"%d" % number for number in range(1500)}
    page = sco(script='fetch("../media/1499.txt").then((one) => one.text()).then((text) => { window.last = text; });')
    seat = customer.seat(course("1.2", page=page, files=many))
    frame = Player.open(context, seat.url).sco()
    frame.wait_for_function("window.last !== undefined")
    assert frame.evaluate("window.last") == "1499"


def test_several_organizations_and_no_default_play_the_first(customer: Customer, context: BrowserContext) -> None:
    second = (
        '<organization identifier="B"><title>Other</title><item identifier="I2" identifierref="RES-1">'
        "<title>b</title></item></organization></organizations>"
    )
    manifest = re.sub(r' default="ORG"', "", manifest12()).replace("</organizations>", second)
    files = {**course_files(), "imsmanifest.xml": manifest.encode("utf-16"), "sco1/index.html": PAGE}
    seat = customer.seat(package(files))
    Player.open(context, seat.url).set({"cmi.core.lesson_status": "passed"})
    seat.until(completion_status="completed", success_status="passed")
