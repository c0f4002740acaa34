"""`make run`: starts a copy of the platform, shows how to use it, and ends it on Ctrl-C or SIGTERM."""

import argparse
import asyncio
import contextlib
import os
import shlex
import signal
import sys
import time

from server.config import SettingsError
from server.dev import clean
from server.dev.children import StartFailed, end_with_my_parent
from server.dev.place import Occupied
from server.dev.run import Platform
from server.dev.settings import RunSettings


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
    except (Occupied, SettingsError) as failure:
        say(f"✗ {failure}")
    except PermissionError as failure:
        say(f"✗ {failure.filename}: permission denied. Another user's? Then set VAR_DIR")
    return 1


async def _run(platform: Platform) -> int:
    asked = asyncio.Event()
    _on_signals(platform, asked)
    began = time.monotonic()
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
    except (Occupied, StartFailed) as failure:
        say(f"✗ {failure}")
        return 1
    finally:
        await platform.stop()


def _on_signals(platform: Platform, asked: asyncio.Event) -> None:
    """The first asks to stop, the second to hurry."""

    def ask() -> None:
        if asked.is_set():
            platform.hurry()
        asked.set()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, ask)


def _show(platform: Platform, *, seconds: float) -> None:
    base, place = platform.addresses.base_url, platform.place
    key = place.demo_key_file.read_text().strip()
    upload = shlex.join(["-F", f"file=@{place.sample_course}", "-F", "uploaded_by=user-123"])
    say(f"""
Ready after {seconds:.1f} s. Ctrl-C stops, logs are in {place.logs}

  base URL  {base}
  content   {platform.addresses.content_url}
  demo key  {key}

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
