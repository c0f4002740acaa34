"""A page that holds the run-time modules, served as they are."""

import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.browser.runtime.courses import Runtime

ROOT = Path(__file__).parents[3]
LOAD = "import('/tests/browser/runtime/host.js').then((host) => { window.host = host; })"


class _Quiet(SimpleHTTPRequestHandler):
    """Files of the repository, without a log."""

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def runtime(browser: Browser) -> Iterator[Runtime]:
    """One page for all tests of a module; each run of a course stands alone in it."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=ROOT)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        context = browser.new_context()
        page = context.new_page()
        page.goto(f"http://127.0.0.1:{server.server_port}/tests/browser/runtime/host.js")
        page.evaluate(LOAD)
        yield Runtime(page)
        context.close()
        server.shutdown()
