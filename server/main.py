"""Assembly: what each role is made of, how it starts and how it ends. With `worker_loops`, alone in knowing everyone.

python -m server serve      calls of learners, customers and the gateway's key filter; any number of processes
python -m server upload     uploads
python -m server worker     jobs, sweeper, administration
python -m server migrate    brings the database to the newest schema, as its owner (OWNER_DATABASE_URL)
python -m server publish    puts the player's scripts into the bucket, see `server.publish`
python -m server admin …    the operator's command line, see `server.rpc.admin_cli`
"""

import gc
import os
import sys
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import structlog
import uvloop
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from envoy.service.auth.v3.external_auth_pb2_grpc import add_AuthorizationServicer_to_server
from google.auth.exceptions import GoogleAuthError
from google.protobuf.descriptor import ServiceDescriptor

from server import logs, worker_loops
from server.config import Settings, SettingsError, checked_dsn
from server.domain.zip_rules import ZipLimits
from server.gen.scorm.v1 import (
    admin_service_pb2,
    admin_service_pb2_grpc,
    health_service_pb2,
    health_service_pb2_grpc,
    import_service_pb2,
    import_service_pb2_grpc,
    lrs_service_pb2,
    lrs_service_pb2_grpc,
    package_service_pb2,
    package_service_pb2_grpc,
    player_service_pb2,
    player_service_pb2_grpc,
    session_service_pb2,
    session_service_pb2_grpc,
    xapi_service_pb2,
    xapi_service_pb2_grpc,
)
from server.rpc import lifecycle
from server.rpc.access import access_table
from server.rpc.admin import AdminServicer
from server.rpc.edge_check import EdgeCheckServicer
from server.rpc.health import HealthServicer
from server.rpc.imports import ImportServicer, failure_of
from server.rpc.interceptors import Around, authenticate, log_call, tell_errors, validate
from server.rpc.packages import Links, PackageServicer
from server.services.administration import Administration
from server.services.authentication import Authenticator
from server.services.idempotency import Idempotency
from server.services.idempotent_uploads import IdempotentUploads
from server.services.import_runs import ImportLimits, ImportRuns
from server.services.imports import Imports
from server.services.packages import Packages
from server.services.ports import Blobs, Database
from server.services.previews import Previews
from server.services.transfer import TransferThreads
from server.services.uploads import UploadLimits, Uploads
from server.session_parts import SessionParts
from server.statement_parts import StatementParts
from server.storage.allocator import give_large_blocks_back
from server.storage.api_keys import PostgresApiKeys
from server.storage.blobs import GcsBlobs
from server.storage.connection import PostgresDatabase, PostgresOperatorDatabase
from server.storage.egress import HttpEgress
from server.storage.idempotency import PostgresIdempotencyKeys
from server.storage.imports import PostgresImports
from server.storage.jobs import PostgresJobs
from server.storage.migrate import DatabaseRefused, migrate, refusals_told
from server.storage.packages import PostgresPackages
from server.storage.quotas import PostgresQuotas
from server.storage.sealing import AesSealer
from server.storage.session_lists import PostgresSessions
from server.storage.session_tokens import SessionTokens
from server.storage.signing import ContentTokenSigner, DownloadTokenSigner, PreviewTokens, load_private_key
from server.storage.spool import DiskSpool
from server.storage.spool_directory import SpoolUnusable
from server.storage.tenants import PostgresTenants
from server.storage.uploads import PostgresUploads
from server.telemetry import readings
from server.telemetry.process import Telemetry

PACKAGE_SERVICE = package_service_pb2.DESCRIPTOR.services_by_name["PackageService"]
HEALTH_SERVICE = health_service_pb2.DESCRIPTOR.services_by_name["HealthService"]
IMPORT_SERVICE = import_service_pb2.DESCRIPTOR.services_by_name["ImportService"]
PLAYER_SERVICE = player_service_pb2.DESCRIPTOR.services_by_name["PlayerService"]
XAPI_SERVICE = xapi_service_pb2.DESCRIPTOR.services_by_name["XapiService"]
LRS_SERVICE = lrs_service_pb2.DESCRIPTOR.services_by_name["LrsService"]
SESSION_SERVICE = session_service_pb2.DESCRIPTOR.services_by_name["SessionService"]
# How often what is alive says so before it counts as lost.
BEATS = 6
ADMIN_SERVICE = admin_service_pb2.DESCRIPTOR.services_by_name["AdminService"]
SERVED = [
    PACKAGE_SERVICE,
    IMPORT_SERVICE,
    SESSION_SERVICE,
    PLAYER_SERVICE,
    XAPI_SERVICE,
    LRS_SERVICE,
    HEALTH_SERVICE,
]


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
    database: Database
    authenticator: Authenticator
    packages: Packages
    previews: Previews
    idempotency: Idempotency
    links: Links
    jobs: PostgresJobs
    telemetry: Telemetry

    @classmethod
    async def open(cls, settings: Settings, stack: AsyncExitStack, *, role: str) -> "Core":
        """Connects to Postgres; everything is closed with `stack`."""
        telemetry = await stack.enter_async_context(_telemetry(settings, role))
        clock = SystemClock()
        postgres = PostgresDatabase(settings.database_url, pool_size=settings.database_pool_size)
        await postgres.open()
        stack.push_async_callback(postgres.close)
        database = telemetry.database(postgres)
        authenticator = Authenticator(
            database=database, api_keys=PostgresApiKeys(), clock=clock, pepper=_secret(settings.api_key_pepper_file)
        )
        stack.push_async_callback(authenticator.close)
        jobs = PostgresJobs()
        packages = Packages(
            database=database,
            packages=PostgresPackages(),
            quotas=PostgresQuotas(),
            sessions=PostgresSessions(),
            jobs=jobs,
            clock=clock,
        )
        idempotency = Idempotency(
            database=database,
            keys=PostgresIdempotencyKeys(),
            clock=clock,
            lease=timedelta(seconds=settings.lost_seconds / 2),
        )
        preview_tokens = PreviewTokens(_signing_key("PREVIEW_SIGNING_KEY_FILE", settings.preview_signing_key_file))
        telemetry.metrics.watch_database("server", postgres)
        telemetry.metrics.watch(readings.key_cache, authenticator)
        telemetry.metrics.watch(readings.enqueued_jobs, jobs)
        return cls(
            settings=settings,
            clock=clock,
            database=database,
            authenticator=authenticator,
            packages=packages,
            previews=Previews(packages=packages, idempotency=idempotency, signer=preview_tokens, clock=clock),
            idempotency=idempotency,
            links=_links(settings, clock),
            jobs=jobs,
            telemetry=telemetry,
        )

    def package_servicer(self, uploads: IdempotentUploads | None) -> PackageServicer:
        """Without `uploads` it refuses them."""
        return PackageServicer(
            packages=self.packages,
            previews=self.previews,
            uploads=uploads,
            links=self.links,
            upload_stall_seconds=self.settings.upload_stall_seconds,
        )

    def arounds(self, services: Sequence[ServiceDescriptor]) -> list[Around]:
        """What happens around the RPCs of services that callers use."""
        return [*self.telemetry.arounds, *_arounds(services, self.authenticator, None)]

    def import_servicer(self) -> ImportServicer:
        """Queues imports; the worker runs them."""
        egress = HttpEgress(opened=self.settings.egress_allow_cidrs)
        self.telemetry.metrics.watch(readings.egress, egress)
        return ImportServicer(
            Imports(
                database=self.database,
                imports=PostgresImports(),
                jobs=self.jobs,
                egress=egress,
                sealer=_sealer(self.settings),
                clock=self.clock,
                idempotency=self.idempotency,
            )
        )

    @property
    def session_parts(self) -> SessionParts:
        """Sessions and their player."""
        return SessionParts(
            settings=self.settings,
            database=self.database,
            clock=self.clock,
            idempotency=self.idempotency,
            previews=self.previews,
            tokens=SessionTokens(_secret(self.settings.session_token_key_file)),
            content_key=_signing_key("CONTENT_SIGNING_KEY_FILE", self.settings.content_signing_key_file),
        )

    @property
    def statement_parts(self) -> StatementParts:
        """The Learning Record Store."""
        return StatementParts(
            settings=self.settings,
            database=self.database,
            clock=self.clock,
            blobs=_blobs(self.settings, self.telemetry),
            idempotency=self.idempotency,
            secret=_secret(self.settings.api_key_pepper_file),
        )

    def health_servicer(self) -> HealthServicer:
        """Asks the database."""
        return HealthServicer(database=self.database, clock=self.clock)


async def serve(settings: Settings) -> None:
    """The role `serve`."""
    async with AsyncExitStack() as stack:
        core = await Core.open(settings, stack, role="serve")
        packages, health = core.package_servicer(None), core.health_servicer()
        parts = core.session_parts
        sessions, player = parts.session_servicer(), parts.player_servicer()
        imports = core.import_servicer()
        statements = core.statement_parts
        stack.push_async_callback(statements.ingest.drain)
        xapi, lrs = statements.xapi_servicer(), statements.lrs_servicer()
        check = EdgeCheckServicer(authenticator=core.authenticator, packages=core.packages)
        serving = lifecycle.Serving(
            registrations=[
                lambda server: package_service_pb2_grpc.add_PackageServiceServicer_to_server(packages, server),
                lambda server: session_service_pb2_grpc.add_SessionServiceServicer_to_server(sessions, server),
                lambda server: player_service_pb2_grpc.add_PlayerServiceServicer_to_server(player, server),
                lambda server: import_service_pb2_grpc.add_ImportServiceServicer_to_server(imports, server),
                lambda server: xapi_service_pb2_grpc.add_XapiServiceServicer_to_server(xapi, server),
                lambda server: lrs_service_pb2_grpc.add_LrsServiceServicer_to_server(lrs, server),
                lambda server: health_service_pb2_grpc.add_HealthServiceServicer_to_server(health, server),
                lambda server: add_AuthorizationServicer_to_server(check, server),
            ],
            services=SERVED,
            arounds=core.arounds(SERVED),
            message_bytes=lifecycle.LARGE_MESSAGE_BYTES,
        )
        await _run(serving, settings, drain_seconds=settings.drain_seconds)


async def upload(settings: Settings) -> None:
    """The role `upload`."""
    give_large_blocks_back()
    async with AsyncExitStack() as stack:
        core = await Core.open(settings, stack, role="upload")
        uploads = _uploads(settings, core.database, _blobs(settings, core.telemetry), stack, core.telemetry)
        idempotent = IdempotentUploads(uploads=uploads, idempotency=core.idempotency)
        stack.push_async_callback(idempotent.drain)
        packages = core.package_servicer(idempotent)
        serving = lifecycle.Serving(
            registrations=[
                lambda server: package_service_pb2_grpc.add_PackageServiceServicer_to_server(packages, server)
            ],
            services=[PACKAGE_SERVICE],
            arounds=core.arounds([PACKAGE_SERVICE]),
        )
        await _run(serving, settings, drain_seconds=settings.drain_seconds)


async def worker(settings: Settings) -> None:
    """The role `worker`."""
    clock, dsn = SystemClock(), settings.operator_database_url
    if not dsn or settings.operator_token_file is None:
        raise SettingsError("the worker needs OPERATOR_DATABASE_URL and OPERATOR_TOKEN_FILE")
    async with AsyncExitStack() as stack:
        telemetry = await stack.enter_async_context(_telemetry(settings, "worker"))
        database = PostgresOperatorDatabase(dsn, pool_size=4)
        await database.open()
        stack.push_async_callback(database.close)
        counts, blobs = worker_loops.Counts(), _blobs(settings, telemetry)
        telemetry.metrics.watch_database("operator", database)
        telemetry.metrics.watch(readings.worker, counts)
        loops = worker_loops.loops_of(
            dsn,
            database=database,
            blobs=blobs,
            clock=clock,
            lost_seconds=settings.lost_seconds,
            imports=await _import_runs(settings, blobs, stack, telemetry),
            imports_at_once=settings.imports_at_once,
            credential_file=settings.storage_credential_file,
            iri_base=settings.iri_base or settings.base_url,
            counts=counts,
        )
        await stack.enter_async_context(worker_loops.in_background(*loops))
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
            arounds=[*telemetry.arounds, *_arounds([ADMIN_SERVICE], None, _secret(settings.operator_token_file))],
        )
        # Nobody balances over workers: there is nobody to tell before the server stops.
        await _run(serving, settings, drain_seconds=0)


async def _run(serving: lifecycle.Serving, settings: Settings, *, drain_seconds: float) -> None:
    address, grace_seconds = settings.listen_address, settings.grace_seconds
    await lifecycle.run(serving, address=address, drain_seconds=drain_seconds, grace_seconds=grace_seconds)


async def _import_runs(settings: Settings, blobs: Blobs, stack: AsyncExitStack, telemetry: Telemetry) -> ImportRuns:
    """Imports see the database as the server does: one tenant at a time."""
    give_large_blocks_back()
    database = PostgresDatabase(settings.database_url, pool_size=settings.database_pool_size)
    await database.open()
    stack.push_async_callback(database.close)
    telemetry.metrics.watch_database("server", database)
    egress = HttpEgress(opened=settings.egress_allow_cidrs)
    telemetry.metrics.watch(readings.egress, egress)
    return ImportRuns(
        database=database,
        imports=PostgresImports(),
        uploads=_uploads(settings, database, blobs, stack, telemetry),
        egress=egress,
        sealer=_sealer(settings),
        clock=SystemClock(),
        limits=ImportLimits(max_bytes=settings.max_package_bytes),
        tell=failure_of,
        observe=telemetry.metrics.watch_imports(),
    )


def _uploads(
    settings: Settings, database: Database, blobs: Blobs, stack: AsyncExitStack, telemetry: Telemetry
) -> Uploads:
    threads = TransferThreads(settings.transfer_threads)
    stack.callback(threads.close)
    spool = _spool(settings)
    stack.callback(spool.close)
    limits = ZipLimits(max_expanded_bytes=settings.max_expanded_bytes, max_files=settings.max_package_files)
    uploads = Uploads(
        database=database,
        uploads=PostgresUploads(),
        packages=PostgresPackages(),
        quotas=PostgresQuotas(),
        blobs=blobs,
        clock=SystemClock(),
        spool=spool,
        limits=UploadLimits(zip=limits, beat_seconds=settings.lost_seconds / BEATS, lost_seconds=settings.lost_seconds),
        threads=threads,
    )
    telemetry.metrics.watch(readings.uploads, uploads, spool)
    stack.push_async_callback(uploads.drain)
    return uploads


def _spool(settings: Settings) -> DiskSpool:
    try:
        return DiskSpool(
            settings.spool_dir, budget_bytes=settings.spool_bytes, max_file_bytes=settings.max_package_bytes
        )
    except SpoolUnusable as error:
        raise SettingsError(f"SPOOL_DIR: {error}") from error


def _telemetry(settings: Settings, role: str) -> AbstractAsyncContextManager[Telemetry]:
    return Telemetry.opened(role, metrics_address=settings.metrics_address, otlp_endpoint=settings.otlp_endpoint)


def _blobs(settings: Settings, telemetry: Telemetry) -> Blobs:
    try:
        threads, observe = settings.transfer_threads, telemetry.metrics.storage_request
        return telemetry.blobs(GcsBlobs(settings.gcs_bucket, threads=threads, observe=observe))
    except (GoogleAuthError, OSError) as error:
        raise SettingsError(f"GCS_BUCKET: no credentials for bucket {settings.gcs_bucket}: {error}") from error


def _sealer(settings: Settings) -> AesSealer:
    if settings.secrets_key_file is None:
        raise SettingsError("serve and worker need SECRETS_KEY_FILE")
    return AesSealer(_secret(settings.secrets_key_file))


def _links(settings: Settings, clock: SystemClock) -> Links:
    # Courses frame their own pages.
    frame_ancestors = ["'self'", settings.base_url, *settings.frame_ancestors]
    content_key = _signing_key("CONTENT_SIGNING_KEY_FILE", settings.content_signing_key_file)
    download_key = _signing_key("DOWNLOAD_SIGNING_KEY_FILE", settings.download_signing_key_file)
    return Links(
        signer=ContentTokenSigner(content_key, frame_ancestors=frame_ancestors),
        downloads=DownloadTokenSigner(download_key),
        clock=clock,
        base_url=settings.base_url,
        content_base_url=settings.content_base_url,
    )


def _signing_key(name: str, path: Path) -> Ed25519PrivateKey:
    try:
        return load_private_key(path)
    except OSError as error:
        raise SettingsError(f"{name}: cannot read {path}: {error.strerror}") from error
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        # TypeError: it is encrypted.
        raise SettingsError(f"{name}: {path} holds no plain Ed25519 private key in PEM") from error


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


def _migrate() -> None:
    dsn = checked_dsn("OWNER_DATABASE_URL", os.environ.get("OWNER_DATABASE_URL") or "")
    if not dsn:
        raise SettingsError("OWNER_DATABASE_URL must be set")
    try:
        with refusals_told():
            migrate(dsn)
    except DatabaseRefused as error:
        raise SettingsError(f"OWNER_DATABASE_URL: {error}") from error


def main(arguments: Sequence[str]) -> int:
    """Runs what the first argument names; the exit status is 2 if it cannot start."""
    role, rest = (arguments[0] if arguments else ""), arguments[1:]
    if (role not in ROLES and role != "migrate") or rest:
        print(__doc__, file=sys.stderr)
        return 2
    try:
        if role == "migrate":
            _migrate()
            return 0
        settings = Settings.from_environment()
        logs.configure(settings.log_level)
        structlog.contextvars.bind_contextvars(role=role)
        # What is loaded stays: the collector need not look at it again, nor as often at what requests leave behind.
        gc.freeze()
        gc.set_threshold(10_000, 20, 20)
        uvloop.run(ROLES[role](settings))
    except (SettingsError, lifecycle.CannotListen) as error:
        print(f"{role} cannot start: {error}", file=sys.stderr)
        return 2
    return 0
