"""The browser of the browser tests: `find()` for tests, `python -m tests.chromium` installs one where there is none."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def find() -> str | None:
    """The path of a Chromium: $CHROMIUM, one on PATH, or the one that playwright installed."""
    for name in (os.environ.get("CHROMIUM"), *NAMES):
        path = name and shutil.which(name)
        if path:
            return path
    return _of_playwright()


def _of_playwright() -> str | None:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        path = playwright.chromium.executable_path
    return path if Path(path).exists() else None


def install() -> None:
    """Installs Chromium: by apt-get as root, else by playwright. Ends the program with a message if neither works."""
    print("installing Chromium for the browser tests", flush=True)
    if os.geteuid() == 0 and shutil.which("apt-get"):
        quiet = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
        subprocess.run(["apt-get", "update", "-qq"], env=quiet)
        subprocess.run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", "chromium"], env=quiet)
    if find() is None:
        subprocess.run([sys.executable, "-m", "playwright", "install", "chromium"])
    if find() is None:
        raise SystemExit(
            "No Chromium for the browser tests, and none could be installed. "
            "Install chromium or google-chrome, or set CHROMIUM to its path."
        )


if __name__ == "__main__" and find() is None:
    install()
