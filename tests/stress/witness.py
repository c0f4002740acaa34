"""Sends hostile input to a running copy and looks for what it leaves behind."""

import http.client
import socket
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import psycopg

from server.dev.settings import STAND_IN_BUCKET
from tests.factories.hostile import Hostile, Sent
from tests.stack import Stack, tenant_of

PACKAGES = "/api/v1/packages"
CLEANED_SECONDS = 10.0
_PAUSE_SECONDS = 0.002


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back; status 0 where nobody waited for it."""

    status: int = 0
    body: Any = None

    @property
    def code(self) -> str:
        """Of the error."""
        return str(self.body["error"]["code"])

    def sentences(self, name: str | None) -> list[str]:
        """The faults of a field, or the message."""
        error = self.body["error"]
        return list(error["details"]["fieldErrors"][name]) if name else [error["message"]]


@dataclass(frozen=True, slots=True)
class Remains:
    """What a tenant has in database and storage: rows, counters, and the number of objects of each package.

    `unclaimed` are uploads that neither ended nor were left to the sweeper.
    """

    packages: dict[str, int]
    unclaimed: int
    package_count: int
    stored_bytes: int
    objects: dict[str, int]


@dataclass(slots=True)
class Lane:
    """A tenant whose inputs are sent one after the other."""

    stack: Stack
    key: str
    storage_url: str
    client: httpx.Client
    anonymous: httpx.Client
    database: "psycopg.Connection[tuple[Any, ...]]"
    accepted: dict[str, Hostile] = field(default_factory=dict)

    def fault(self, case: Hostile) -> str | None:
        """Sends one and says what is wrong with its answer or with what it left behind; None if nothing."""
        answer = self._send(case.send())
        wrong = self._wrong_answer(case, answer)
        if wrong is None and case.accepted:
            self.accepted[answer.body["package_id"]] = case
            wrong = self._unreadable(case, answer.body)
        wrong = wrong or self._left_behind()
        return None if wrong is None else f"{case.name}: {wrong}"

    def _send(self, sent: Sent) -> Answer:
        if sent.raw:
            return self._send_raw(sent)
        headers = {"Content-Type": sent.content_type, **(sent.headers or {})}
        if not sent.content_type:
            del headers["Content-Type"]
        answer = self.client.post(PACKAGES, content=sent.body, headers=headers)
        return Answer(answer.status_code, answer.json())

    def _send_raw(self, sent: Sent) -> Answer:
        head = f"POST {PACKAGES} HTTP/1.1\r\nHost: localhost:{self.stack.port}\r\nX-API-Key: {self.key}\r\n"
        with socket.create_connection(("127.0.0.1", self.stack.port), timeout=20) as connection:
            connection.sendall(head.encode())
            for piece in sent.raw:
                connection.sendall(piece)
                time.sleep(_PAUSE_SECONDS)
            if sent.hangs_up:
                return Answer()
            with http.client.HTTPResponse(connection, method="POST") as answer:
                answer.begin()
                return Answer(answer.status, httpx.Response(200, content=answer.read()).json())

    def _wrong_answer(self, case: Hostile, answer: Answer) -> str | None:
        if answer.status != case.status:
            return f"answered {answer.status} {answer.body}"
        if not answer.status or case.accepted:
            return None
        if answer.code != case.code or not any(case.says in sentence for sentence in answer.sentences(case.field)):
            return f"answered {answer.body}"
        return None

    def _unreadable(self, case: Hostile, uploaded: Any) -> str | None:
        """Why what was accepted is of no use."""
        read = self.client.get(f"{PACKAGES}/{uploaded['package_id']}").json()
        warnings = read["metadata"].get("warnings", [])
        if case.says and not any(case.says in warning for warning in warnings):
            return f"warned only of {warnings}"
        status = self.anonymous.get(uploaded["launch_url"]).status_code
        return None if status == 200 else f"its page answers {status}"

    def _left_behind(self) -> str | None:
        """What is there beside the accepted packages; clean-up gets some time."""
        deadline = time.monotonic() + CLEANED_SECONDS
        while (remains := self._remains()).unclaimed or remains.objects != remains.packages:
            if time.monotonic() > deadline:
                return f"left {remains}"
            time.sleep(0.02)
        expected = self.accepted.keys()
        if remains.packages.keys() != expected or remains.package_count != len(expected):
            return f"left {remains}"
        return None if expected or not remains.stored_bytes else f"left {remains}"

    def _remains(self) -> Remains:
        tenant = tenant_of(self.key)
        # Storage first: what an upload under way adds is explained by its row.
        objects = Counter(name.split("/")[3] for name in self._objects(f"tenants/{tenant}/"))
        query = "select package_id::text, file_count + 1 from packages where tenant_id = %s"
        packages = dict(self.database.execute(query, (tenant,)).fetchall())
        query = (
            "select (select count(*) from uploads u where u.tenant_id = q.tenant_id and claimed_at is null), "
            "package_count, stored_bytes "
            "from tenant_quotas q where tenant_id = %s"
        )
        (row,) = self.database.execute(query, (tenant,)).fetchall()
        return Remains(packages, row[0], row[1], row[2], dict(objects))

    def _objects(self, prefix: str) -> Iterator[str]:
        token = ""
        while True:
            params = {"prefix": prefix, "pageToken": token, "maxResults": "1000"}
            page = self.anonymous.get(f"{self.storage_url}/storage/v1/b/{STAND_IN_BUCKET}/o", params=params).json()
            yield from (item["name"] for item in page.get("items", []))
            token = page.get("nextPageToken", "")
            if not token:
                return
