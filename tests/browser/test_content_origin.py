"""Courses in a real browser: they load whole, and reach nothing that is not theirs."""

import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from tests.factories import course_files, manifest12, package, scorm12_package, scorm2004_package
from tests.stack import Stack

# Tries everything by which a page in a frame could reach the page around it, and writes down what it got.
INTRUDER = b"""<!doctype html><title>intruder</title><script>
const reached = {};
function attempt(name, action) {
  try { reached[name] = String(action()); } catch (error) { reached[name] = error.name; }
}
attempt("dom", () => window.parent.document.title);
attempt("storage", () => window.parent.localStorage.getItem("secret"));
attempt("variable", () => window.parent.typedKey);
attempt("location", () => window.parent.location.href);
attempt("cookie", () => window.parent.document.cookie);
window.reached = reached;
</script>"""
CALLER = b"""<!doctype html><title>caller</title><script>
fetch(new URLSearchParams(location.search).get("base") + "/api/v1/packages", {credentials: "include"})
  .then((answer) => { window.status_code = answer.status; }, (error) => { window.status_code = error.name; });
</script>"""
FRAMER = b"""<!doctype html><title>framer</title><iframe src="inner.html"></iframe>"""
WORKER = b"""<!doctype html><title>worker</title><script>
navigator.serviceWorker.register("worker.js").then(() => { window.outcome = "registered"; },
  (error) => { window.outcome = error.name; });
</script>"""


def upload(stack: Stack, key: str, archive: bytes) -> str:
    answer = httpx.post(
        f"{stack.base_url}/api/v1/packages",
        headers={"X-API-Key": key},
        files={"file": ("course.zip", archive, "application/zip")},
        timeout=60,
    )
    assert answer.status_code == 201, answer.text
    return str(answer.json()["launch_url"])


def course_with(page: bytes) -> bytes:
    """A course with a page of the test's, and another page and a script beside it."""
    files = {"imsmanifest.xml": manifest12().encode(), "sco1/index.html": page}
    files |= {"sco1/worker.js": b"", "sco1/inner.html": b"<h1>the inner page</h1>"}
    return package({**course_files(), **files})


def opened(context: BrowserContext, url: str) -> Page:
    page = context.new_page()
    page.goto(url, wait_until="networkidle")
    return page


@pytest.fixture
def foreign_url(tmp_path: Path) -> Iterator[str]:
    """A page of somebody else's."""
    (tmp_path / "index.html").write_text("<title>foreign</title>")
    handler = partial(SimpleHTTPRequestHandler, directory=str(tmp_path))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://localhost:{server.server_port}/"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize("archive", [scorm12_package(), scorm2004_package(edition="4th")], ids=["1.2", "2004"])
def test_a_course_loads_with_its_picture_style_and_script(
    stack: Stack, context: BrowserContext, archive: bytes
) -> None:
    answers: dict[str, int] = {}
    page = context.new_page()
    page.on("response", lambda response: answers.update({response.url.rsplit("/", 1)[1]: response.status}))
    page.goto(upload(stack, stack.new_tenant(), archive), wait_until="networkidle")
    assert page.text_content("#state") == "no API"
    assert page.evaluate("document.getElementById('picture').naturalWidth") > 0
    assert page.evaluate("getComputedStyle(document.querySelector('h1')).color") == "rgb(0, 0, 128)"
    assert {answers[name] for name in ("index.html", "picture.png", "style.css", "course.js")} == {200}
    assert context.cookies() == []


def test_a_course_may_frame_its_own_pages(stack: Stack, context: BrowserContext) -> None:
    launch_url = upload(stack, stack.new_tenant(), course_with(FRAMER))
    page = opened(context, launch_url)
    assert page.frames[1].text_content("h1") == "the inner page"


def test_the_courses_of_two_tenants_cannot_read_the_page_around_them(stack: Stack, browser: Browser) -> None:
    launch_urls = [upload(stack, stack.new_tenant(), course_with(INTRUDER)) for _ in range(2)]
    # Any page of the base origin stands for the shell; its policy would not let the test put a frame into it.
    context = browser.new_context(bypass_csp=True)
    shell = opened(context, f"{stack.base_url}/api/health")
    shell.evaluate("localStorage.setItem('secret', 'key'); window.typedKey = 'key'")
    for launch_url in launch_urls:
        reached = _framed(shell, launch_url).evaluate("window.reached")
        assert set(reached.values()) == {"SecurityError"}
        assert len(reached) == 5
    context.close()


def test_a_course_cannot_read_the_shell_through_its_opener(stack: Stack, context: BrowserContext) -> None:
    launch_url = upload(stack, stack.new_tenant(), course_with(INTRUDER.replace(b"window.parent", b"window.opener")))
    shell = opened(context, f"{stack.base_url}/api/health")
    with context.expect_page() as popup:
        shell.evaluate("url => { window.open(url); }", launch_url)
    popup.value.wait_for_load_state("networkidle")
    reached = popup.value.evaluate("window.reached")
    # COOP same-origin cuts the opener off altogether.
    assert set(reached.values()) <= {"SecurityError", "TypeError"}


def test_the_api_gives_a_course_nothing_without_a_key(stack: Stack, context: BrowserContext) -> None:
    launch_url = upload(stack, stack.new_tenant(), course_with(CALLER))
    page = opened(context, f"{launch_url}?base={stack.base_url}")
    page.wait_for_function("window.status_code !== undefined")
    assert page.evaluate("window.status_code") in (401, "TypeError")


@pytest.mark.parametrize("framed", ["course", "base origin"])
def test_a_foreign_page_may_frame_neither_a_course_nor_the_base_origin(
    stack: Stack, context: BrowserContext, foreign_url: str, framed: str
) -> None:
    launch_url = upload(stack, stack.new_tenant(), scorm12_package())
    url = launch_url if framed == "course" else f"{stack.base_url}/api/health"
    page = opened(context, foreign_url)
    with page.expect_console_message(lambda message: "frame-ancestors" in message.text):
        _framed(page, url)
    assert page.frames[1].url == "chrome-error://chromewebdata/"


def test_a_course_cannot_install_a_service_worker(stack: Stack, context: BrowserContext) -> None:
    launch_url = upload(stack, stack.new_tenant(), course_with(WORKER))
    page = opened(context, launch_url)
    page.wait_for_function("window.outcome !== undefined")
    assert page.evaluate("window.outcome") != "registered"


def test_each_host_serves_only_its_own(stack: Stack) -> None:
    launch_url = upload(stack, stack.new_tenant(), scorm12_package())
    path = launch_url.removeprefix(stack.content_url)
    assert httpx.get(launch_url).status_code == 200
    assert httpx.get(f"{stack.base_url}{path}").status_code == 404
    assert httpx.get(f"{stack.content_url}/api/health").status_code == 404


def _framed(shell: Page, url: str) -> Any:
    shell.evaluate(
        """url => new Promise((done) => {
             const frame = document.createElement("iframe");
             frame.src = url; frame.onload = done; document.body.append(frame);
           })""",
        url,
    )
    frame = shell.frames[-1]
    frame.wait_for_load_state()
    return frame
