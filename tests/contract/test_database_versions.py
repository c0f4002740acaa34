"""A database can be made and used on every Postgres that is here: the embedded one, and Debian's from 15 on."""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from server.storage import jobs
from server.storage import migrate as migration
from server.storage.connection import PostgresDatabase, PostgresOperatorDatabase
from server.storage.migrate import OLDEST_POSTGRES, PostgresTooOld, RolesNotAllowed, ensure_login_roles, migrate
from tests.databases import Dsns, Template
from tests.rows import a_package, store_package, store_tenant

EMBEDDED = "embedded"
DEBIANS = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
NOBODY = 65534


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "server_dsn" in metafunc.fixturenames:
        here = [str(found) for found in DEBIANS if float(found.parent.name) >= OLDEST_POSTGRES]
        metafunc.parametrize("server_dsn", [EMBEDDED, *here], indirect=True, scope="module")


@pytest.fixture(scope="module")
def server_dsn(request: pytest.FixtureRequest, database_template: Template) -> Iterator[str]:
    """The superuser's."""
    if request.param == EMBEDDED:
        yield database_template.admin
        return
    with running(Path(request.param)) as dsn:
        yield dsn


@contextmanager
def running(programs: Path) -> Iterator[str]:
    """A new cluster of an installation; it lies in /tmp, where the user that Postgres runs as can go."""
    user: dict[str, Any] = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}
    place = Path(tempfile.mkdtemp(prefix="scorm-test-versions-"))
    if user:
        os.chown(place, NOBODY, NOBODY)
    command: list[str | Path] = [
        programs / "initdb",
        "-D",
        place,
        "-U",
        "scorm",
        "-A",
        "trust",
        "-E",
        "UTF8",
        "--no-locale",
        "--no-sync",
    ]
    subprocess.run(command, check=True, capture_output=True, cwd="/", **user)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    options = ("listen_addresses=127.0.0.1", f"port={port}", "unix_socket_directories=", "fsync=off")
    flags = [part for option in options for part in ("-c", option)]
    with (place / "log").open("wb") as log:
        server = subprocess.Popen([programs / "postgres", "-D", place, *flags], stderr=log, cwd="/", **user)
    try:
        dsn = make_conninfo(host="127.0.0.1", port=port, user="scorm", dbname="postgres")
        wait_for(dsn, server)
        yield dsn
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(30)
        shutil.rmtree(place)


def wait_for(dsn: str, server: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            psycopg.connect(dsn).close()
        except psycopg.OperationalError:
            assert server.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        else:
            return


@contextmanager
def owned_database(server_dsn: str) -> Iterator[str]:
    """The DSN of an ordinary role that may make roles, to a new database of its own."""
    name = f"t_{os.getpid()}_{secrets.token_hex(4)}"
    with psycopg.connect(server_dsn, autocommit=True) as admin:
        admin.execute(f"create role {name} login createrole password 'p'".encode())
        admin.execute(f"create database {name} owner {name}".encode())
        try:
            yield make_conninfo(server_dsn, dbname=name, user=name, password="p")
        finally:
            admin.execute(f"drop database {name} with (force)".encode())
            admin.execute(f"drop role if exists {name}_server, {name}_operator".encode())
            admin.execute(f"drop owned by {name}".encode())
            admin.execute(f"drop role {name}".encode())


def allow_groups(server_dsn: str, owner: str) -> None:
    """What the README asks for where another copy made these roles before."""
    with psycopg.connect(server_dsn) as admin:
        made = admin.execute(
            "select string_agg(rolname, ', ') from pg_roles where rolname in ('scorm_server', 'scorm_operator')"
        ).fetchone()
        if made and made[0]:
            admin.execute(f"grant {made[0]} to {conninfo_to_dict(owner)['user']} with admin option".encode())


async def test_a_database_can_be_made_and_used(server_dsn: str) -> None:
    with owned_database(server_dsn) as owner:
        allow_groups(server_dsn, owner)
        migrate(owner)
        server, operator = ensure_login_roles(owner, server_password="s", operator_password="o")
        await use(Dsns(owner, server, operator))


async def use(dsns: Dsns) -> None:
    database, operators = PostgresDatabase(dsns.server, pool_size=1), PostgresOperatorDatabase(dsns.operator)
    await database.open()
    await operators.open()
    try:
        tenant = await store_tenant(operators)
        package = await store_package(database, a_package(tenant.id))
        async with database.write(tenant.id) as transaction:
            await transaction.run(jobs.PostgresJobs().delete_package_files(tenant_id=tenant.id, package_id=package.id))
    finally:
        await database.close()
        await operators.close()
    done = []

    async def handle(*, tenant_id: UUID, package_id: UUID) -> None:
        done.append((tenant_id, package_id))

    async def import_nothing(**_: UUID) -> None:
        raise AssertionError("nobody asked for an import")

    handlers = jobs.JobHandlers(delete_package_files=handle, import_package=import_nothing)
    app = jobs.build_worker_app(dsns.operator, handlers)
    async with app.open_async():
        await jobs.run_waiting_jobs(app)
        assert await jobs.rescue_stalled(app) == 0
    assert done == [(tenant.id, package.id)]


def test_a_second_owner_on_a_server_needs_the_group_roles_too(database_template: Template) -> None:
    with owned_database(database_template.admin) as owner:
        migrate(owner)
        with pytest.raises(RolesNotAllowed, match="CREATEROLE and scorm_server WITH ADMIN OPTION"):
            ensure_login_roles(owner, server_password="s", operator_password="o")
        allow_groups(database_template.admin, owner)
        server, _ = ensure_login_roles(owner, server_password="s", operator_password="o")
        psycopg.connect(server).close()


def test_an_older_postgres_is_refused(database_template: Template, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(migration, "OLDEST_POSTGRES", 99)
    with (
        owned_database(database_template.admin) as owner,
        pytest.raises(PostgresTooOld, match=r"^this is Postgres 18\.\d+, and 99 or later is needed$"),
    ):
        migrate(owner)
