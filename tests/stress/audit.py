"""Holds the platform to a ledger: nothing lost, nothing half there, nothing left over, counters exact."""

import contextlib
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote
from uuid import UUID

import httpx
import psycopg
from google.auth.credentials import AnonymousCredentials
from google.cloud import storage

from server.dev.settings import STAND_IN_BUCKET
from server.domain.packages import content_prefix, original_name
from server.storage.blobs import GcsBlobs
from tests.stack import Stack, tenant_of
from tests.stress.ledger import PACKAGES, Course, Ledger

SETTLED_SECONDS = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """What the platform has, against the ledger. All lists are empty where it kept its word."""

    packages: int
    unacknowledged: int
    lost: list[str]
    undead: list[str]
    incomplete: list[str]
    orphans: list[str]
    counters: tuple[int, int]
    true_counters: tuple[int, int]
    uploads: int
    jobs: int

    def check(self) -> None:
        """Fails unless nothing is lost, half there or left over, and the counters are exact."""
        assert (self.lost, self.undead, self.incomplete, self.orphans) == ([], [], [], [])
        assert self.counters == self.true_counters
        assert (self.uploads, self.jobs) == (0, 0)


def audit(stack: Stack, key: str, ledger: Ledger) -> Audit:
    """Waits until sweeper and jobs have nothing left to do, and compares."""
    tenant = UUID(tenant_of(key))
    _wait_until_settled(stack, tenant)
    listed = _listed(stack, key)
    titles = {package["id"]: package["title"] for package in listed}
    objects = _objects(stack, tenant)
    uploads, jobs = _rows(stack)
    # Certificates are looked up for each client otherwise, which is slow.
    with httpx.Client(headers={"X-API-Key": key}, timeout=30, verify=False) as client:
        incomplete = [
            package
            for package, title in titles.items()
            if not _is_whole(client, f"{stack.base_url}{PACKAGES}/{package}", ledger.courses[title])
        ]
    incomplete += [
        package
        for package, title in titles.items()
        if objects.get(package, set()) != _expected(tenant, package, ledger.courses[title])
    ]
    return Audit(
        packages=len(titles),
        unacknowledged=len(titles.keys() - ledger.stored.keys()),
        lost=[*ledger.lost, *(package for package in ledger.kept() if titles.get(package) != ledger.stored[package])],
        undead=sorted(titles.keys() & ledger.deleted),
        incomplete=incomplete,
        orphans=sorted(objects.keys() - titles.keys()),
        counters=stack.usage(str(tenant)),
        true_counters=(len(titles), sum(ledger.courses[title].stored_bytes for title in titles.values())),
        uploads=uploads,
        jobs=jobs,
    )


def table(title: str, rows: Iterable[tuple[str, object]]) -> str:
    """What a stress test counted, for people."""
    return "\n".join([f"\n{title}", *(f"  {name:<34} {value}" for name, value in rows)])


def counted(ledger: Ledger, found: Audit) -> list[tuple[str, object]]:
    """Rows of the table."""
    return [
        ("uploads acknowledged", len(ledger.stored)),
        ("deletes acknowledged", len(ledger.deleted)),
        ("gets and lists answered", ledger.done["get"] + ledger.done["list"]),
        ("failures seen by the client", dict(sorted(ledger.failures.items()))),
        ("packages at the end", found.packages),
        ("of them never acknowledged", found.unacknowledged),
        ("acknowledged and lost", len(found.lost)),
        ("deleted and still there", len(found.undead)),
        ("incomplete", len(found.incomplete)),
        ("prefixes without a package", len(found.orphans)),
        ("counters (packages, bytes)", f"{found.counters}, true {found.true_counters}"),
    ]


def _wait_until_settled(stack: Stack, tenant: UUID) -> None:
    deadline = time.monotonic() + SETTLED_SECONDS
    while time.monotonic() < deadline:
        with contextlib.suppress(psycopg.OperationalError):
            if _rows(stack) == (0, 0):
                return
        time.sleep(0.2)


def _rows(stack: Stack) -> tuple[int, int]:
    """Uploads on their way and jobs that wait, of all tenants."""
    with psycopg.connect(stack.database_url) as connection:
        query = "select (select count(*) from uploads), (select count(*) from jobs.procrastinate_jobs)"
        row = connection.execute(query).fetchone()
        assert row is not None
        return row[0], row[1]


def _listed(stack: Stack, key: str) -> list[dict[str, Any]]:
    """Every package, page by page; the total must be theirs."""
    found: list[dict[str, Any]] = []
    with httpx.Client(base_url=stack.base_url, headers={"X-API-Key": key}, timeout=30) as client:
        cursor: str | None = ""
        while cursor is not None:
            page = client.get(PACKAGES, params={"limit": 100, "cursor": cursor}).raise_for_status().json()
            found += page["packages"]
            cursor = page.get("next_cursor")
    assert page["count"] == len(found) == len({package["id"] for package in found})
    return found


def _objects(stack: Stack, tenant: UUID) -> dict[str, set[str]]:
    """Names in storage, by package."""
    nobody = AnonymousCredentials()  # type: ignore[no-untyped-call]  # the library has no types
    client = storage.Client(project="test", credentials=nobody, client_options={"api_endpoint": stack.storage_url})
    blobs = GcsBlobs(STAND_IN_BUCKET, threads=1, client=client)
    found: dict[str, set[str]] = {}
    for blob in blobs.list(f"tenants/{tenant}/"):
        found.setdefault(blob.name.split("/")[3], set()).add(blob.name)
    blobs.close()
    return found


def _expected(tenant: UUID, package: str, course: Course) -> set[str]:
    prefix = content_prefix(tenant, UUID(package))
    return {original_name(tenant, UUID(package)), *(f"{prefix}/{name}" for name in course.files)}


def _is_whole(client: httpx.Client, package_url: str, course: Course) -> bool:
    """Whether every file of it comes back as it was."""
    root = client.get(package_url).raise_for_status().json()["manifest_url"].removesuffix("imsmanifest.xml")
    return all(client.get(root + quote(name)).content == data for name, data in course.files.items())
