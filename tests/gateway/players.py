"""Plays sessions as the player's pages do, without a browser."""

import json
import re
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.gateway.test_documented_packages import error_of

BROWSER = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
STATUS = "cmi.core.lesson_status"
_DATA = re.compile(r'<script type="application/json" id="data">(.*?)</script>', re.DOTALL)


def data_of(answer: httpx.Response) -> Any:
    """What a page is given."""
    assert answer.status_code == 200, answer.text
    found = _DATA.search(answer.text)
    assert found is not None
    return json.loads(found[1])


@dataclass
class Player:
    """Plays a session as the pages do."""

    url: str
    played: Any = None
    run: Any = None
    number: int = field(default=0)

    def begin(self) -> "Player":
        answer = httpx.post(f"{self.url}/launch", json={})
        assert answer.status_code == 200, answer.text
        return self.show(answer.json())

    def navigate(self, request: str, **fields: Any) -> httpx.Response:
        return httpx.post(
            f"{self.url}/navigate", json={"launch": self.played["launch"]["id"], "request": request, **fields}
        )

    def show(self, played: Any) -> "Player":
        self.played, self.number = played, 0
        if played["deliver"]:
            self.run = data_of(httpx.get(played["deliver"]["runUrl"], headers=BROWSER))
        return self

    @property
    def commit_url(self) -> str:
        return f"{self.played['deliver']['runUrl']}/commit"

    def body(self, values: dict[str, str], **fields: Any) -> dict[str, Any]:
        self.number += 1
        usual = {"launch": self.run["launch"], "run": self.run["run"], "commit": self.number, "base": 0}
        return {**usual, "values": values, **fields}

    def commit(self, values: dict[str, str], **fields: Any) -> httpx.Response:
        return self.send(json.dumps(self.body(values, **fields)).encode())

    def send(self, content: bytes, **headers: str) -> httpx.Response:
        return httpx.post(self.commit_url, content=content, headers=headers or {"content-type": "application/json"})


def assert_refused(method: str, url: str, status: int, code: str) -> None:
    """By a page for browsers that want one, and by the documented JSON otherwise."""
    content = b"{}" if method == "POST" else None
    answer = httpx.request(method, url, content=content, headers={"accept": "application/json"})
    assert (answer.status_code, error_of(answer)["code"]) == (status, code)
    assert answer.headers["cache-control"] == "no-store"
    if method == "GET":
        page = httpx.get(url, headers=BROWSER)
        assert (page.status_code, page.headers["content-type"]) == (status, "text/html; charset=utf-8")
        assert code in page.text
        assert page.headers["x-request-id"] in page.text
        assert "default-src 'none'" in page.headers["content-security-policy"]
        assert page.headers["cache-control"] == "no-store"
