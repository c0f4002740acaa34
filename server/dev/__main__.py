"""`make run`: starts a copy of the platform, shows how to use it, ends it on Ctrl-C, SIGTERM or a closed terminal."""

import argparse
import asyncio
import contextlib
import os
import select
import shlex
import signal
import sys
import time

from server.config import SettingsError
from server.dev import clean
from server.dev.children import StartFailed, end_with_my_parent
from server.dev.place import Occupied, Unusable
from server.dev.run import Platform
from server.dev.settings import RunSettings

# A signal to a whole process group arrives twice or thrice: by itself, from make, and when make is gone.
HURRY_SECONDS = 1.0
TERMINAL_SECONDS = 0.5


def main() -> int:
    """Returns the exit status: 0 after a stop that was asked for, 1 if the copy could not start."""
    parser = argparse.ArgumentParser(prog="python -m server.dev", description=__doc__)
    parser.add_argument("--end-with-parent", action="store_true", help="stop when the process that started this ends")
    parser.add_argument("--not-durable", action="store_true", help="faster, and data may be lost in a crash: for tests")
    parser.add_argument("--clean", action="store_true", help="remove all data and secrets instead")
    options = parser.parse_args()
    try:
        settings = RunSettings.from_environment(os.environ)
        if options.clean:
            clean.remove(settings.var)
            return 0
        if options.end_with_parent:
            end_with_my_parent()
        return asyncio.run(_run(Platform(settings, durable=not options.not_durable, say=say)))
    except (Occupied, Unusable, SettingsError) as failure:
        say(f"✗ {failure}")
    return 1


async def _run(platform: Platform) -> int:
    asked = asyncio.Event()
    _on_signals(platform, asked)
    began = time.monotonic()
    watching = asyncio.create_task(_watch_terminal(sys.stdin.fileno(), asked)) if _has_terminal() else None
    try:
        platform.take_place()
        starting = asyncio.create_task(platform.start())
        waiting = asyncio.create_task(asked.wait())
        await asyncio.wait({starting, waiting}, return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            starting.result()  # raises StartFailed
            _show(platform, seconds=time.monotonic() - began)
            await waiting
        else:
            starting.cancel()
            await asyncio.gather(starting, return_exceptions=True)
        return 0
    except (Occupied, Unusable, StartFailed) as failure:
        say(f"✗ {failure}")
        return 1
    finally:
        if watching is not None:
            watching.cancel()
        await platform.stop()


def _on_signals(platform: Platform, asked: asyncio.Event) -> None:
    """The first asks to stop, one that comes HURRY_SECONDS later or more to hurry."""
    first = 0.0

    def ask() -> None:
        nonlocal first
        if not asked.is_set():
            first = time.monotonic()
            asked.set()
        elif time.monotonic() - first >= HURRY_SECONDS:
            platform.hurry()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, ask)


def _has_terminal() -> bool:
    return sys.stdin is not None and not sys.stdin.closed and sys.stdin.isatty()


async def _watch_terminal(descriptor: int, asked: asyncio.Event) -> None:
    """Asks to stop once the terminal is closed: make, hung up with its terminal, waits for us and passes nothing on."""
    terminal = select.poll()
    terminal.register(descriptor, 0)  # POLLHUP and POLLERR are told unasked; input is none of our business
    while True:
        if terminal.poll(0):
            asked.set()
            return
        await asyncio.sleep(TERMINAL_SECONDS)


def _show(platform: Platform, *, seconds: float) -> None:
    base, place = platform.addresses.base_url, platform.place
    key = place.demo_key_file.read_text().strip()
    upload = shlex.join(["-F", f"file=@{place.sample_course}", "-F", "uploaded_by=user-123"])
    say(f"""
Ready after {seconds:.1f} s. Ctrl-C stops, logs are in {place.logs}

  base URL  {base}
  content   {platform.addresses.content_url}
  demo key  {key}
  metrics   {place.metrics_targets}

Try:
  curl {base}/api/health
  curl -H 'X-API-Key: {key}' {base}/api/v1/packages
  curl -H 'X-API-Key: {key}' {upload} {base}/api/v1/packages
""")


def say(line: str) -> None:
    """Prints at once. A terminal that is gone is no reason to fail."""
    with contextlib.suppress(OSError, ValueError):
        print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
