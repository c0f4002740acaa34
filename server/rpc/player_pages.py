"""The player's pages: the shell on the base origin, and the run-time page on that of the courses."""

import html
import json
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from string import Template
from typing import Any

from google.api import httpbody_pb2

_FOLDER = Path(__file__).resolve().parents[1] / "player" / "pages"
_LANGUAGE = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*")
PAGE = "text/html; charset=utf-8"
_ALIKE = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "


@dataclass(frozen=True, kw_only=True)
class PlayerPages:
    """Fills in the templates. `static` is where their scripts and style are, such as `/static/0123456789abcdef`."""

    static: str
    content_base_url: str

    @cached_property
    def _shell(self) -> Template:
        return Template((_FOLDER / "shell.html").read_text("utf-8"))

    @cached_property
    def _run(self) -> Template:
        return Template((_FOLDER / "run.html").read_text("utf-8"))

    @property
    def shell_headers(self) -> tuple[tuple[str, str], ...]:
        """Any site may frame the shell: learning platforms do."""
        policy = f"{_ALIKE}frame-src {self.content_base_url}; base-uri 'none'; form-action 'none'"
        return (("content-security-policy", policy),)

    @property
    def run_headers(self) -> tuple[tuple[str, str], ...]:
        """A course's pages may be anywhere. Who frames the shell frames this page too."""
        policy = f"{_ALIKE}frame-src * data: blob:; base-uri 'none'; form-action 'none'"
        return (("content-security-policy", policy),)

    def shell(self, data: dict[str, Any], *, title: str, language: str | None) -> httpbody_pb2.HttpBody:
        """The page that holds everything else."""
        return self._fill(self._shell, data, title, language)

    def run(self, data: dict[str, Any], *, title: str, language: str | None) -> httpbody_pb2.HttpBody:
        """The page that holds the API and the course."""
        return self._fill(self._run, data, title, language)

    def _fill(self, page: Template, data: dict[str, Any], title: str, language: str | None) -> httpbody_pb2.HttpBody:
        known = language if language and _LANGUAGE.fullmatch(language) else "en"
        text = page.substitute(static=self.static, title=html.escape(title), language=known, data=script_json(data))
        return httpbody_pb2.HttpBody(content_type=PAGE, data=text.encode())


def script_json(data: dict[str, Any]) -> str:
    """JSON that ends no script element, whatever it says. ASCII, whatever courses have stored."""
    return json.dumps(data, separators=(",", ":")).replace("<", "\\u003c")
