"""Sessions on a database, without the wire: the use cases as `serve` assembles them."""

from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from server.domain.ids import new_id
from server.domain.manifest import parse_manifest, to_json
from server.domain.sequencing.default import DefaultSequencer
from server.domain.sessions.commits import Commit
from server.domain.sessions.model import Session
from server.domain.sessions.statements import Teller
from server.domain.sessions.updates import SessionUpdate
from server.services.courses import Courses
from server.services.idempotency import Idempotency
from server.services.packages import Packages
from server.services.playing import Played, Playing
from server.services.recording import CommitAnswer, Recording
from server.services.session_changes import Stores
from server.services.session_links import SessionLinks
from server.services.session_ports import RunLink
from server.services.sessions import NewSession, Sessions
from server.storage.connection import PostgresDatabase
from server.storage.idempotency import PostgresIdempotencyKeys
from server.storage.jobs import PostgresJobs
from server.storage.packages import PostgresPackages
from server.storage.quotas import PostgresQuotas
from server.storage.session_items import PostgresLaunches, PostgresSessionItems, PostgresSessionStatements
from server.storage.session_lists import PostgresSessions
from server.storage.session_tokens import SessionTokens
from server.storage.sessions import PostgresCourses
from tests.contract.uploads_fixtures import SettableClock
from tests.factories import course_files, manifest12, manifest2004
from tests.rows import a_package

IRI_BASE = "https://scorm.example"


@dataclass(frozen=True, kw_only=True)
class SessionHost:
    """One tenant's sessions."""

    database: PostgresDatabase
    tenant: UUID
    clock: SettableClock
    stores: Stores
    sessions: Sessions
    links: SessionLinks
    playing: Playing
    recording: Recording
    packages: Packages

    @classmethod
    def of(cls, database: PostgresDatabase, tenant: UUID) -> "SessionHost":
        """Everything is real; the clock may be set forward."""
        clock, store, tokens = SettableClock(), PostgresSessions(), SessionTokens(b"only-in-tests" * 3)
        stores = Stores(
            sessions=store,
            items=PostgresSessionItems(),
            launches=PostgresLaunches(),
            statements=PostgresSessionStatements(),
            courses=Courses(database=database, store=PostgresCourses()),
        )
        idempotency = Idempotency(database=database, keys=PostgresIdempotencyKeys(), clock=clock)
        common: dict[str, Any] = {"database": database, "stores": stores, "clock": clock}
        teller = Teller(iri_base=IRI_BASE)
        return cls(
            database=database,
            tenant=tenant,
            clock=clock,
            stores=stores,
            sessions=Sessions(**common, idempotency=idempotency, teller=teller),
            links=SessionLinks(**common, idempotency=idempotency, signer=tokens),
            playing=Playing(**common, signer=tokens, sequencer=DefaultSequencer(), teller=teller),
            recording=Recording(**common, signer=tokens, sequencer=DefaultSequencer(), teller=teller),
            packages=Packages(
                database=database,
                packages=PostgresPackages(),
                quotas=PostgresQuotas(),
                sessions=store,
                jobs=PostgresJobs(),
                clock=clock,
            ),
        )

    async def course(self, *, scos: int = 1, version: str = "1.2") -> UUID:
        """A new package with so many items."""
        text = manifest12(scos=scos) if version == "1.2" else manifest2004(scos=scos)
        names = ["imsmanifest.xml", *course_files(scos)]
        manifest = to_json(parse_manifest(text.encode(), names=names, fallback_title="T"))
        package = replace(a_package(self.tenant), id=new_id(self.clock.now()), version=version)
        insert = PostgresPackages().insert(package, manifest_json=manifest, expanded_bytes=1, file_count=1)
        async with self.database.write(self.tenant) as transaction:
            await transaction.run(PostgresQuotas().charge_package(tenant_id=self.tenant, stored_bytes=1001))
            await transaction.run(insert)
        return package.id

    async def create(self, package: UUID, user: str = "ada", **fields: Any) -> Session:
        wanted = NewSession(package_id=str(package), user_id=user, **fields)
        view, _, _ = await self.sessions.create(wanted, tenant_id=self.tenant)
        return view.session

    async def get(self, session: Session) -> Session:
        return (await self.sessions.get(tenant_id=self.tenant, session_id=str(session.id))).session

    async def update(self, session: Session, **fields: Any) -> Session:
        update = SessionUpdate(**fields)
        return await self.sessions.update(update, tenant_id=self.tenant, session_id=str(session.id), if_match=None)

    async def delete(self, session: Session) -> None:
        await self.sessions.delete(tenant_id=self.tenant, session_id=str(session.id), if_match=None)

    async def play(self, session: Session) -> "Run":
        """Launches it in a player, which shows its first item."""
        link = self.links.link(tenant_id=self.tenant, session_id=session.id)
        played = await self.playing.begin(token=link.token)
        assert played.run_token is not None
        run = self.playing.signer.read_run(played.run_token)
        assert run is not None
        return Run(self, session, played, run)


@dataclass(slots=True)
class Run:
    """An item that is being played."""

    host: SessionHost
    session: Session
    played: Played
    link: RunLink
    number: int = 0

    async def commit(self, values: dict[str, str], **fields: Any) -> CommitAnswer:
        self.number += 1
        commit = Commit(launch=self.link.launch, run=self.link.run, number=self.number, base=0, values=values, **fields)
        return await self.host.recording.commit(commit, link=self.link, session_id=self.session.id)
