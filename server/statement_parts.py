"""Assembly of what xAPI statements and documents are made of; with `main`, alone in knowing everyone."""

import json
from dataclasses import dataclass
from functools import cached_property

from server.config import Settings
from server.domain.xapi.equivalence import are_equivalent
from server.rpc.lrs import LrsServicer
from server.rpc.xapi import XapiServicer
from server.rpc.xapi_json import in_arrays, merge_documents
from server.services.analytics import Analytics
from server.services.idempotency import Idempotency
from server.services.lrs_documents import LrsDocuments
from server.services.ports import Blobs, Clock, Database
from server.services.statement_attachments import Attachments
from server.services.statement_exports import StatementExports
from server.services.statement_ingest import StatementIngest
from server.services.statement_lists import StatementLists
from server.services.statement_ports import NewStatement
from server.services.statement_queries import StatementQueries
from server.services.statement_subjects import StatementSubjects
from server.services.statements import Statements
from server.storage.analytics import PostgresAnalytics
from server.storage.jws import check_signature
from server.storage.lrs_documents import PostgresLrsDocuments
from server.storage.statement_attachments import PostgresStatementAttachments
from server.storage.statements import PostgresStatements


@dataclass(frozen=True, kw_only=True)
class StatementParts:
    """Everything of `serve` that has to do with the Learning Record Store."""

    settings: Settings
    database: Database
    clock: Clock
    blobs: Blobs
    idempotency: Idempotency
    secret: bytes

    def xapi_servicer(self) -> XapiServicer:
        """The documented surface."""
        lists = StatementLists(database=self.database, store=self._store, statements=self._statements)
        analytics = Analytics(database=self.database, store=PostgresAnalytics())
        exports = StatementExports(database=self.database, store=self._store)
        return XapiServicer(statements=self._statements, lists=lists, exports=exports, analytics=analytics)

    def lrs_servicer(self) -> LrsServicer:
        """The specification's surface."""
        return LrsServicer(
            statements=self._statements,
            queries=StatementQueries(statements=self._statements, secret=self.secret),
            attachments=self._attachments,
            subjects=StatementSubjects(database=self.database, store=self._store),
            documents=LrsDocuments(
                database=self.database,
                documents=PostgresLrsDocuments(),
                clock=self.clock,
                merge=merge_documents,
            ),
        )

    @cached_property
    def ingest(self) -> StatementIngest:
        """One for all."""
        return StatementIngest(database=self.database, statements=self._store, same=_are_the_same)

    @cached_property
    def _store(self) -> PostgresStatements:
        return PostgresStatements()

    @cached_property
    def _attachments(self) -> Attachments:
        return Attachments(
            database=self.database,
            store=PostgresStatementAttachments(),
            blobs=self.blobs,
            check_signature=check_signature,
        )

    @cached_property
    def _statements(self) -> Statements:
        return Statements(
            database=self.database,
            store=self._store,
            ingest=self.ingest,
            attachments=self._attachments,
            clock=self.clock,
            iri_base=self.settings.iri_base or self.settings.base_url,
            normalize=in_arrays,
            idempotency=self.idempotency,
        )


def _are_the_same(there: str, new: NewStatement) -> bool:
    value = json.loads(new.content)
    if new.facts.timestamp is None:
        # Then it says nothing of when it happened; what is there was given a time when it came.
        del value["timestamp"]
    return are_equivalent(json.loads(there), value)
