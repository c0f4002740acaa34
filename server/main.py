"""Assembly: what each role is made of, how it starts and how it ends. The only module that knows everyone.

python -m server serve      calls of learners, customers and the gateway's key filter; any number of processes
python -m server upload     uploads
python -m server worker     jobs, sweeper, administration
python -m server migrate    brings the database to the newest schema, as its owner (OWNER_DATABASE_URL)
python -m server admin …    the operator's command line
"""

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import structlog
import uvloop
from envoy.service.auth.v3.external_auth_pb2_grpc import add_AuthorizationServicer_to_server
from google.protobuf.descriptor import ServiceDescriptor

from server import logs
from server.config import Settings, SettingsError, checked_dsn
from server.domain.zip_rules import ZipLimits
from server.gen.scorm.v1 import (
    admin_service_pb2,
    admin_service_pb2_grpc,
    health_service_pb2,
    health_service_pb2_grpc,
    package_service_pb2,
    package_service_pb2_grpc,
)
from server.rpc import admin_cli, lifecycle
from server.rpc.access import access_table
from server.rpc.admin import AdminServicer
from server.rpc.edge_check import EdgeCheckServicer
from server.rpc.health import HealthServicer
from server.rpc.interceptors import Around, authenticate, log_call, tell_errors, validate
from server.rpc.packages import Links, PackageServicer
from server.services import sweeper
from server.services.administration import Administration
from server.services.authentication import Authenticator
from server.services.packages import Packages
from server.services.transfer import TransferThreads
from server.services.uploads import UploadLimits, Uploads
from server.storage import jobs
from server.storage.allocator import give_large_blocks_back
from server.storage.api_keys import PostgresApiKeys
from server.storage.blobs import GcsBlobs
from server.storage.connection import PostgresDatabase, PostgresOperatorDatabase
from server.storage.credentials import keep_credential
from server.storage.migrate import migrate
from server.storage.packages import PostgresPackages
from server.storage.quotas import PostgresQuotas
from server.storage.signing import ContentTokenSigner
from server.storage.single_holder import run_as_single_holder
from server.storage.spool import DiskSpool, SpoolUnusable
from server.storage.tenants import PostgresTenants
from server.storage.uploads import PostgresUploads

log = structlog.get_logger("main")
SWEEP_SECONDS = 15
RESCUE_SECONDS = 15

PACKAGE_SERVICE = package_service_pb2.DESCRIPTOR.services_by_name["PackageService"]
HEALTH_SERVICE = health_service_pb2.DESCRIPTOR.services_by_name["HealthService"]
ADMIN_SERVICE = admin_service_pb2.DESCRIPTOR.services_by_name["AdminService"]


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """The time, with time zone UTC."""
        return datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Core:
    """What `serve` and `upload` have in common."""

    settings: Settings
    clock: SystemClock
    database: PostgresDatabase
    authenticator: Authenticator
    packages: Packages
    links: Links

    @classmethod
    async def open(cls, settings: Settings, stack: AsyncExitStack) -> "Core":
        """Connects to Postgres; everything is closed with `stack`."""
        clock = SystemClock()
        database = PostgresDatabase(settings.database_url, pool_size=settings.database_pool_size)
        await database.open()
        stack.push_async_callback(database.close)
        authenticator = Authenticator(
            database=database, api_keys=PostgresApiKeys(), clock=clock, pepper=_secret(settings.api_key_pepper_file)
        )
        stack.push_async_callback(authenticator.close)
        signer = ContentTokenSigner.from_file(
            settings.content_signing_key_file,
            # Courses frame their own pages.
            frame_ancestors=["'self'", settings.base_url, *settings.frame_ancestors],
        )
        return cls(
            settings=settings,
            clock=clock,
            database=database,
            authenticator=authenticator,
            packages=Packages(
                database=database, packages=PostgresPackages(), quotas=PostgresQuotas(), jobs=jobs.PostgresJobs()
            ),
            links=Links(signer, clock, settings.content_base_url),
        )

    def package_servicer(self, uploads: Uploads | None) -> PackageServicer:
        """Without `uploads` it refuses them."""
        return PackageServicer(packages=self.packages, uploads=uploads, links=self.links)

    def health_servicer(self) -> HealthServicer:
        """Asks the database."""
        return HealthServicer(database=self.database, clock=self.clock)


async def serve(settings: Settings) -> None:
    """The role `serve`."""
    async with AsyncExitStack() as stack:
        core = await Core.open(settings, stack)
        packages, health = core.package_servicer(None), core.health_servicer()
        check = EdgeCheckServicer(authenticator=core.authenticator, packages=core.packages)
        serving = lifecycle.Serving(
            registrations=[
                lambda server: package_service_pb2_grpc.add_PackageServiceServicer_to_server(packages, server),
                lambda server: health_service_pb2_grpc.add_HealthServiceServicer_to_server(health, server),
                lambda server: add_AuthorizationServicer_to_server(check, server),
            ],
            services=[PACKAGE_SERVICE, HEALTH_SERVICE],
            arounds=_arounds([PACKAGE_SERVICE, HEALTH_SERVICE], core.authenticator, None),
        )
        await lifecycle.run(serving, address=settings.listen_address, drain_seconds=settings.drain_seconds)


async def upload(settings: Settings) -> None:
    """The role `upload`."""
    give_large_blocks_back()
    async with AsyncExitStack() as stack:
        core = await Core.open(settings, stack)
        uploads = _uploads(core, stack)
        packages = core.package_servicer(uploads)
        serving = lifecycle.Serving(
            registrations=[
                lambda server: package_service_pb2_grpc.add_PackageServiceServicer_to_server(packages, server)
            ],
            services=[PACKAGE_SERVICE],
            arounds=_arounds([PACKAGE_SERVICE], core.authenticator, None),
        )
        await lifecycle.run(serving, address=settings.listen_address, drain_seconds=settings.drain_seconds)


async def worker(settings: Settings) -> None:
    """The role `worker`."""
    clock, dsn = SystemClock(), settings.operator_database_url
    if not dsn or settings.operator_token_file is None:
        raise SettingsError("the worker needs OPERATOR_DATABASE_URL and OPERATOR_TOKEN_FILE")
    async with AsyncExitStack() as stack:
        database = PostgresOperatorDatabase(dsn)
        await database.open()
        stack.push_async_callback(database.close)
        blobs = GcsBlobs(settings.gcs_bucket, threads=settings.transfer_threads)
        loops = _worker_loops(dsn, database, blobs, clock)
        if credential_file := settings.storage_credential_file:
            loops.append(partial(_for_ever, "credential", lambda: keep_credential(credential_file), pause_seconds=10))
        await stack.enter_async_context(_background(*loops))
        admin = AdminServicer(
            Administration(
                database=database,
                tenants=PostgresTenants(),
                api_keys=PostgresApiKeys(),
                clock=clock,
                pepper=_secret(settings.api_key_pepper_file),
            )
        )
        serving = lifecycle.Serving(
            registrations=[lambda server: admin_service_pb2_grpc.add_AdminServiceServicer_to_server(admin, server)],
            services=[ADMIN_SERVICE],
            arounds=_arounds([ADMIN_SERVICE], None, _secret(settings.operator_token_file)),
        )
        # Nobody balances over workers: there is nobody to tell before the server stops.
        await lifecycle.run(serving, address=settings.listen_address, drain_seconds=0)


def _uploads(core: Core, stack: AsyncExitStack) -> Uploads:
    settings = core.settings
    threads = TransferThreads(settings.transfer_threads)
    stack.callback(threads.close)
    spool = _spool(settings)
    stack.callback(spool.close)
    limits = ZipLimits(max_expanded_bytes=settings.max_expanded_bytes, max_files=settings.max_package_files)
    uploads = Uploads(
        database=core.database,
        uploads=PostgresUploads(),
        packages=PostgresPackages(),
        quotas=PostgresQuotas(),
        blobs=GcsBlobs(settings.gcs_bucket, threads=settings.transfer_threads),
        clock=core.clock,
        spool=spool,
        limits=UploadLimits(zip=limits),
        threads=threads,
    )
    stack.push_async_callback(uploads.drain)
    return uploads


def _spool(settings: Settings) -> DiskSpool:
    try:
        return DiskSpool(
            settings.spool_dir, budget_bytes=settings.spool_bytes, max_file_bytes=settings.max_package_bytes
        )
    except SpoolUnusable as error:
        raise SettingsError(f"SPOOL_DIR: {error}") from error


def _worker_loops(
    dsn: str, database: PostgresOperatorDatabase, blobs: GcsBlobs, clock: SystemClock
) -> list[Callable[[], Awaitable[None]]]:
    async def delete_package_files(**package: Any) -> None:
        await sweeper.delete_package_files(blobs=blobs, **package)

    async def sweep() -> None:
        await sweeper.sweep(database=database, uploads=PostgresUploads(), blobs=blobs, clock=clock)

    handlers = jobs.JobHandlers(delete_package_files=delete_package_files)
    # One app each: leaving `open_async` closes the connections of everybody who uses the same app.
    runner, rescuer = jobs.build_worker_app(dsn, handlers), jobs.build_worker_app(dsn, handlers)

    async def run_jobs() -> None:
        async with runner.open_async():
            await jobs.run_jobs(runner)

    async def rescue() -> None:
        async with rescuer.open_async():
            await jobs.rescue_stalled(rescuer)

    return [
        lambda: _for_ever("jobs", run_jobs, pause_seconds=1),
        lambda: run_as_single_holder(dsn, "sweeper", lambda: _for_ever("sweeper", sweep, pause_seconds=SWEEP_SECONDS)),
        lambda: run_as_single_holder(dsn, "rescue", lambda: _for_ever("rescue", rescue, pause_seconds=RESCUE_SECONDS)),
    ]


async def _for_ever(name: str, work: Callable[[], Awaitable[None]], *, pause_seconds: float) -> None:
    """Repeats `work`; what it raises is logged, for the next turn may go better."""
    while True:
        try:
            await work()
        except Exception as error:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise  # it failed while being cancelled: going on would lose the cancellation
            log.error("a loop of the worker failed", loop=name, exc_info=error)
        await asyncio.sleep(pause_seconds)


@contextlib.asynccontextmanager
async def _background(*loops: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
    """Runs the loops until the block ends."""

    async def run(loop: Callable[[], Awaitable[None]]) -> None:
        await loop()

    tasks = [asyncio.create_task(run(loop)) for loop in loops]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _arounds(
    services: Sequence[ServiceDescriptor], authenticator: Authenticator | None, operator_token: bytes | None
) -> list[Around]:
    return [log_call, tell_errors, authenticate(access_table(services), authenticator, operator_token), validate]


def _secret(path: Path) -> bytes:
    """The content of a file of secrets, without white space around it. Raises SettingsError."""
    try:
        secret = path.read_bytes().strip()
    except OSError as error:
        raise SettingsError(f"cannot read {path}: {error.strerror}") from error
    if len(secret) < 32:
        raise SettingsError(f"{path} must hold 32 bytes or more")
    return secret


ROLES: dict[str, Callable[[Settings], Coroutine[Any, Any, None]]] = {
    "serve": serve,
    "upload": upload,
    "worker": worker,
}


def main(arguments: Sequence[str]) -> int:
    """Runs what the first argument names; the exit status is 2 if it cannot start."""
    role, rest = (arguments[0] if arguments else ""), arguments[1:]
    if role == "admin":
        return admin_cli.main(rest)
    if (role not in ROLES and role != "migrate") or rest:
        print(__doc__, file=sys.stderr)
        return 2
    try:
        if role == "migrate":
            migrate(checked_dsn("OWNER_DATABASE_URL", os.environ["OWNER_DATABASE_URL"]))
            return 0
        settings = Settings.from_environment()
        logs.configure(settings.log_level)
        structlog.contextvars.bind_contextvars(role=role)
        uvloop.run(ROLES[role](settings))
    except KeyError as error:
        print(f"{error.args[0]} must be set", file=sys.stderr)
        return 2
    except SettingsError as error:
        print(f"{role} cannot start: {error}", file=sys.stderr)
        return 2
    return 0
