"""What is around a learner's browser: a learning platform with a course in a frame, and a line that can be cut."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

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


@dataclass
class Line:
    """Leads to a port of this machine until it is cut. Playwright's way of being offline lets closing pages through."""

    target: int
    port: int = 0
    is_cut: bool = False
    _open: set[asyncio.StreamWriter] = field(default_factory=set)
    _loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.new_event_loop)

    @property
    def argument(self) -> str:
        """What makes Chromium use it."""
        names = ("localhost", "127.0.0.1")
        rules = ",".join(f"MAP {name}:{self.target} 127.0.0.1:{self.port}" for name in names)
        return f"--host-resolver-rules={rules}"

    def cut(self) -> None:
        """Nothing goes through any more."""
        self.is_cut = True
        self._loop.call_soon_threadsafe(self._abort)

    def _abort(self) -> None:
        for writer in self._open:
            writer.transport.abort()

    def mend(self) -> None:
        """Connections work again."""
        self.is_cut = False

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.is_cut:
            writer.transport.abort()
            return
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.target)
        self._open |= {writer, far_writer}
        await asyncio.gather(self._pass(reader, far_writer), self._pass(far_reader, writer))
        self._open -= {writer, far_writer}

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        writer.close()


@contextmanager
def line_to(port: int) -> Iterator[Line]:
    """A line in a thread of its own."""
    line, ready, over = Line(port), threading.Event(), asyncio.Event()

    async def serve() -> None:
        listening = await asyncio.start_server(line._serve, "127.0.0.1", 0)
        line.port = listening.sockets[0].getsockname()[1]
        ready.set()
        await over.wait()
        listening.close()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()

    thread = threading.Thread(target=line._loop.run_until_complete, args=(serve(),))
    thread.start()
    ready.wait()
    yield line
    line._loop.call_soon_threadsafe(over.set)
    thread.join()
    line._loop.close()
