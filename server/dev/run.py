"""One whole copy of the platform: takes its place, starts everything in order, gives everything back."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack

from server.dev import asks, sample
from server.dev.children import Child, CommandChild, StartFailed, free_port, run_to_end
from server.dev.database import PostgresChild
from server.dev.place import Place, reserved_port, usable
from server.dev.processes import UNNUMBERED, Addresses, Databases, Processes
from server.dev.secrets import load_or_create, write_private
from server.dev.settings import STAND_IN_BUCKET, RunSettings
from server.dev.supervisor import Supervisor
from server.domain.api_keys import KeyText
from server.storage.migrate import DatabaseRefused, RolesNotAllowed, ensure_login_roles, migrate, refusals_told

HEALTHY_SECONDS = 60.0
DEMO_SECONDS = 60.0
PUBLISH_SECONDS = 120.0


class Platform:
    """`take_place`, `start`, and `stop` whatever happened before."""

    def __init__(self, settings: RunSettings, *, durable: bool, say: Callable[[str], None]) -> None:
        self.place = Place(settings.var)
        self._settings = settings
        self._durable = durable
        self._say = say
        self._supervisor = Supervisor(say=say)
        self._held = ExitStack()

    def take_place(self) -> None:
        """Locks the directory and reserves the port. Raises Occupied or Unusable."""
        with usable(self.place.var):
            self._held.enter_context(self.place.locked())
            self.place.prepare()
            self._secrets = load_or_create(self.place.var)
        port = self._held.enter_context(reserved_port(self._settings.port))
        sockets = self._held.enter_context(self.place.sockets())
        serve_processes, upload_processes = self._settings.serve_processes, self._settings.upload_processes
        reserved = range(UNNUMBERED + serve_processes + upload_processes)
        metrics_ports = [self._held.enter_context(reserved_port(0)) for _ in reserved]
        self.addresses = Addresses.choose(
            port=port,
            storage_port=free_port(),
            sockets=sockets,
            serve_processes=serve_processes,
            upload_processes=upload_processes,
            metrics_ports=metrics_ports,
        )
        write_private(self.place.var / "admin-address", self.addresses.worker + "\n")
        write_private(self.place.metrics_targets, self.addresses.metrics_targets())
        self._processes = Processes(
            settings=self._settings,
            place=self.place,
            addresses=self.addresses,
            secrets=self._secrets,
            durable=self._durable,
        )

    async def start(self) -> None:
        """Starts everything and returns once requests through Envoy are answered. Raises StartFailed."""
        owner_dsn = await self._start_stores()
        async with self._publishing():
            databases = await asyncio.to_thread(self._prepare_database, owner_dsn)
            await self._supervisor.start(*(CommandChild(command) for command in self._processes.roles(databases)))
            self._processes.write_gateway()
        await self._supervisor.start(CommandChild(self._processes.envoy()))
        await self._until_healthy()
        await self._ensure_demo()

    async def _start_stores(self) -> str:
        """Starts Postgres and the storage stand-in, unless the user has his own. Answers the database owner's DSN."""
        children: list[Child] = []
        if self._settings.bucket is None:
            children.append(CommandChild(self._processes.storage()))
        postgres = PostgresChild(self.place.var / "postgres", durable=self._durable)
        if self._settings.database_url is None:
            children.append(postgres)
        await self._supervisor.start(*children)
        if self._settings.bucket is None:
            await asyncio.to_thread(asks.ensure_bucket, self.addresses.storage, STAND_IN_BUCKET)
        return self._settings.database_url or postgres.owner_dsn

    @contextlib.asynccontextmanager
    async def _publishing(self) -> AsyncIterator[None]:
        """Publishes the player's scripts meanwhile: the gateway opens once they are there."""
        publishing = asyncio.create_task(run_to_end(self._processes.publish(), seconds=PUBLISH_SECONDS))
        try:
            yield
            await publishing
        finally:
            publishing.cancel()
            await asyncio.gather(publishing, return_exceptions=True)

    def _prepare_database(self, owner_dsn: str) -> Databases:
        began = time.monotonic()
        try:
            with refusals_told():
                migrate(owner_dsn)
                server, operator = ensure_login_roles(
                    owner_dsn,
                    server_password=self._secrets.server_password,
                    operator_password=self._secrets.operator_password,
                )
        except (RolesNotAllowed, DatabaseRefused) as failure:
            raise StartFailed(f"the database could not be prepared: {failure}") from failure
        self._say(f"✓ migrations {time.monotonic() - began:.1f} s")
        return Databases(server=server, operator=operator)

    async def _until_healthy(self) -> None:
        deadline = time.monotonic() + HEALTHY_SECONDS
        while not await asks.is_healthy(self.addresses.port):
            if time.monotonic() > deadline:
                raise StartFailed(f"/api/health was not healthy within {HEALTHY_SECONDS:.0f} s, see {self.place.logs}")
            await asyncio.sleep(asks.POLL_SECONDS)

    async def _ensure_demo(self) -> None:
        """A key that works in the demo key file, and a course to upload with it."""
        if not self.place.sample_course.exists():
            sample.write(self.place.sample_course)
        if not await self._demo_key_works():
            await run_to_end(self._processes.demo(), seconds=DEMO_SECONDS)
            self._say("✓ demo tenant")

    async def _demo_key_works(self) -> bool:
        with contextlib.suppress(FileNotFoundError):
            key = KeyText.parse(self.place.demo_key_file.read_text().strip())
            return key is not None and await asks.key_works(self.addresses.port, str(key))
        return False

    def hurry(self) -> None:
        """Ends the patience of `stop`."""
        self._supervisor.hurry()

    async def stop(self) -> None:
        """Ends everything that was started and gives the place back."""
        if self._supervisor.has_children:
            self._say("stopping")
            await self._supervisor.stop()
            self._say("stopped")
        self._held.close()
