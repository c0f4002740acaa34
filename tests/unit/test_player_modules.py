"""The player's pages name every module that they need, so that a browser asks for all of them at once."""

import posixpath
import re
from pathlib import Path

import pytest

PLAYER = Path(__file__).resolve().parents[2] / "server" / "player"
STATIC = PLAYER / "static"
_IMPORT = re.compile(r'^import [^"]*?"(\..*?)";$', re.MULTILINE)
_LINK = re.compile(r'<link rel="modulepreload" href="(.*?)">')


def imports(module: str) -> set[str]:
    text = (STATIC / module).read_text("utf-8")
    return {posixpath.normpath(posixpath.join(posixpath.dirname(module), name)) for name in _IMPORT.findall(text)}


def needed(module: str) -> set[str]:
    found: set[str] = set()
    due = {module}
    while due:
        found |= due
        due = {name for one in due for name in imports(one)} - found
    return found - {module}


@pytest.mark.parametrize(
    ("page", "module"),
    [
        ("pages/shell.html", "shell/shell.js"),
        ("pages/run.html", "run/run.js"),
        ("static/run/recover.html", "run/recover.js"),
    ],
)
def test_a_page_preloads_what_its_module_imports(page: str, module: str) -> None:
    links = _LINK.findall((PLAYER / page).read_text("utf-8"))
    named = [posixpath.normpath(posixpath.join("run", link.removeprefix("$static/"))) for link in links]
    if page.startswith("pages"):
        named = [link.removeprefix("$static/") for link in links]
    assert len(named) == len(set(named))
    assert set(named) == needed(module)
    assert needed(module)
