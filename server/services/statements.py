"""Storing xAPI statements and finding them again. What comes and goes is their senders' JSON."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from server.domain.errors import MissingScope, NotFound, ValidationFailed
from server.domain.idempotency import KeyedRequest
from server.domain.ids import new_ids, parse_id
from server.domain.xapi.authority import Authority
from server.domain.xapi.content import completed
from server.domain.xapi.keys import facts_of
from server.domain.xapi.statements import check_statement, duplicate_id
from server.domain.xapi.times import format_timestamp, parse_timestamp
from server.domain.xapi.versions import Version
from server.services.authentication import Caller
from server.services.idempotency import Idempotency
from server.services.idempotency_ports import Facts
from server.services.ports import Clock, Database, Transaction
from server.services.statement_attachments import Attachments, SentFile
from server.services.statement_ingest import StatementIngest
from server.services.statement_ports import FoundStatement, NewStatement, StatementStore, StoredStatement, Window

VOIDS_ANY = "lrs:all"
NO_FILES: Mapping[str, SentFile] = {}


@dataclass(frozen=True, slots=True)
class Sent:
    """A statement as it came: its value, and the JSON of each property."""

    value: dict[str, Any]
    members: Mapping[str, bytes]


@dataclass(frozen=True, slots=True)
class Page:
    """Some statements, whether there are more, and up to when the store is complete."""

    statements: list[StoredStatement]
    has_more: bool
    settled: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Statements:
    """The use cases of both surfaces. `normalize` puts a valid statement into the form that is told."""

    database: Database
    store: StatementStore
    ingest: StatementIngest
    attachments: Attachments
    clock: Clock
    iri_base: str
    normalize: Callable[[Sent], Sent]
    idempotency: Idempotency
    _authorities: dict[UUID, Authority] = field(default_factory=dict)

    async def add(
        self,
        sent: Sequence[Sent],
        *,
        caller: Caller,
        version: Version,
        is_list: bool,
        files: Mapping[str, SentFile] = NO_FILES,
    ) -> list[UUID]:
        """Stores all of them or none, and answers their ids in the order given. Repeating it does no harm.

        Raises ValidationFailed with every fault (`[1].actor.mbox` in a list), Conflict where an id stands for another
        statement, and MissingScope where the caller may not void what somebody else has stored.
        """
        new = await self._prepared(sent, caller=caller, version=version, is_list=is_list, files=files)
        await self.ingest.store(new, tenant_id=caller.tenant_id)
        return [one.id for one in new]

    async def add_once(
        self, sent: Sequence[Sent], *, caller: Caller, version: Version, is_list: bool, request: KeyedRequest
    ) -> tuple[list[UUID], bool]:
        """As `add`, once for an Idempotency-Key: the ids, and whether they were stored before."""
        new = await self._prepared(sent, caller=caller, version=version, is_list=is_list, files=NO_FILES)

        async def work(transaction: Transaction) -> Facts:
            await self.ingest.store_within(transaction, new, tenant_id=caller.tenant_id)
            return {"ids": [str(one.id) for one in new]}

        outcome = await self.idempotency.once(tenant_id=caller.tenant_id, request=request, work=work)
        return [UUID(one) for one in outcome.facts["ids"]], outcome.replayed

    async def _prepared(
        self,
        sent: Sequence[Sent],
        *,
        caller: Caller,
        version: Version,
        is_list: bool,
        files: Mapping[str, SentFile],
    ) -> list[NewStatement]:
        """What is to be stored, after everything that can be wrong with it."""
        check_all([one.value for one in sent], version=version, is_list=is_list)
        sent = [self.normalize(one) for one in sent]
        await self.attachments.check(sent, files)
        authority = self.authority(caller)
        now = self.clock.now()
        ours = {
            "timestamp": f'"{format_timestamp(now)}"'.encode(),
            "version": f'"{version.stored}"'.encode(),
            "authority": authority.content,
        }
        voids_any = VOIDS_ANY in caller.scopes
        new = [
            _new(one, fresh_id, ours, authority, now, voids_any=voids_any)
            for one, fresh_id in zip(sent, new_ids(now, len(sent)), strict=True)
        ]
        await self._check_voiding(new, caller, authority)
        await self.attachments.keep(files, tenant_id=caller.tenant_id, at=now)
        return new

    def authority(self, caller: Caller) -> Authority:
        """Who vouches for what the caller stores."""
        known = self._authorities.get(caller.key_id)
        if known is None:
            if len(self._authorities) > 10_000:
                self._authorities.clear()
            known = Authority.of_key(self.iri_base, tenant_id=caller.tenant_id, key_id=caller.key_id)
            self._authorities[caller.key_id] = known
        return known

    async def _check_voiding(self, new: Sequence[NewStatement], caller: Caller, authority: Authority) -> None:
        targets = {one.facts.refers_to for one in new if one.facts.is_voiding and one.facts.refers_to}
        if not targets or VOIDS_ANY in caller.scopes:
            return
        existing = await self.database.read(
            caller.tenant_id, self.store.existing(sorted(targets), tenant_id=caller.tenant_id)
        )
        if any(one.authority != authority.key for one in existing.values()):
            raise MissingScope(VOIDS_ANY)

    async def get(self, statement_id: str, *, tenant_id: UUID, voided: bool = False) -> tuple[FoundStatement, int]:
        """One statement that is voided or is not, as asked, and what is settled. Raises NotFound."""
        wanted = parse_id(statement_id)
        if wanted is None:
            raise NotFound
        found, settled = await self.database.read(
            tenant_id, self.store.existing([wanted], tenant_id=tenant_id), self.store.settled(tenant_id=tenant_id)
        )
        if wanted not in found or found[wanted].voided is not voided:
            raise NotFound
        return found[wanted], settled

    async def page(self, window: Window, *, tenant_id: UUID, limit: int) -> Page:
        """A page of unvoided statements."""
        found, settled = await self.database.read(
            tenant_id,
            self.store.page(window, tenant_id=tenant_id, limit=limit + 1),
            self.store.settled(tenant_id=tenant_id),
        )
        return Page(found[:limit], len(found) > limit, settled)

    async def settled(self, *, tenant_id: UUID) -> int:
        """The position up to which the store is complete."""
        return await self.database.read(tenant_id, self.store.settled(tenant_id=tenant_id))


def _new(
    sent: Sent, fresh_id: UUID, ours: Mapping[str, bytes], authority: Authority, now: datetime, *, voids_any: bool
) -> NewStatement:
    facts = facts_of(sent.value, authority.agent)
    identifier = facts.statement_id or fresh_id
    return NewStatement(
        id=identifier,
        facts=facts,
        authority=authority.key,
        content=completed(sent.members, {"id": b'"%b"' % str(identifier).encode(), **ours}),
        occurred_at=parse_timestamp(facts.timestamp) if facts.timestamp else now,
        is_named=facts.statement_id is not None,
        voids_any=voids_any,
    )


def check_all(values: Sequence[object], *, version: Version, is_list: bool) -> None:
    """Raises ValidationFailed with every fault of all statements."""
    faults: dict[str, list[str]] = {}
    for place, value in enumerate(values):
        try:
            check_statement(value, version)
        except ValidationFailed as failed:
            faults |= {_path(place, path, is_list): told for path, told in failed.field_errors.items()}
    if faults:
        raise ValidationFailed(faults)
    ids = [value["id"] for value in values if isinstance(value, dict) and "id" in value]
    if (twice := duplicate_id(ids)) is not None:
        raise ValidationFailed.of("id", f"{twice} stands for two statements of this request")


def _path(place: int, path: str, is_list: bool) -> str:
    if not is_list:
        return path
    return f"[{place}].{path}" if path else f"[{place}]"
