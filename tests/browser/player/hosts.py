"""Pages of others that a learner's browser shows: a learning platform with a course in a frame."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from tests.web_server import WebServer, answer, running


@contextmanager
def platform() -> Iterator[WebServer]:
    """A web server in a thread of its own, for the browser has this one. Other sites than ours: `*.localhost`."""
    loop, ready, servers = asyncio.new_event_loop(), threading.Event(), []
    over = asyncio.Event()

    async def serve() -> None:
        async with running() as server:
            servers.append(server)
            ready.set()
            await over.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    ready.wait()
    yield servers[0]
    loop.call_soon_threadsafe(over.set)
    thread.join()
    loop.close()


def page_with(server: WebServer, launch_url: str, *, target: str = "/course") -> str:
    """The URL of a page that frames a course."""
    html = (
        '<!DOCTYPE html><html lang="en"><title>Platform</title><link rel="icon" href="data:,">'
        f'<h1>Platform</h1><iframe src="{launch_url}" title="Course" width="900" height="600"></iframe></html>'
    )
    server.answers[target] = answer(200, html.encode(), content_type="text/html; charset=utf-8")
    return server.url(target, host="platform.localhost")
