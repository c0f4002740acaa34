"""Prepared statements in one pipeline, one send and one answer, on psycopg's layer for libpq.

A cursor of psycopg sends each statement of a pipeline by itself, and is made anew for it; that took most of the CPU of
a read. Connections, waiting, cancellation, the adaptation of values and errors are psycopg's here too.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg import adapt
from psycopg.abc import Buffer, PQGen, Transformer
from psycopg.errors import error_from_result
from psycopg.generators import fetch_many, send
from psycopg.pq import ConnStatus, ExecStatus, Format
from psycopg.pq.abc import PGresult

# A statement's text and its parameters.
Step = tuple[bytes, tuple[object, ...]]

# More than the statements there are; each may be there for several types of its parameters.
MAX_PREPARED = 500


@dataclass(slots=True)
class _Statement:
    """A statement on one connection. `names` under which it is prepared there, by the types of its parameters."""

    transformer: Transformer
    names: dict[tuple[int, ...], bytes] = field(default_factory=dict)


class Connection(psycopg.AsyncConnection[tuple[Any, ...]]):
    """A connection that knows what is prepared on it."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.statements: dict[bytes, _Statement] = {}
        self.prepared = 0

    async def exchange(self, steps: Sequence[Step]) -> "list[Answer]":
        """Runs all of them in one round trip. Raises the error of the first that failed; those after it did not run."""
        calls = [_Call.of(self, text, parameters) for text, parameters in steps]
        answers: list[Answer] = []
        error: psycopg.Error | None = None
        for call, results in zip(calls, await self.wait(_exchange(self, calls)), strict=True):
            failed = next((one for one in results if one.status == ExecStatus.FATAL_ERROR), None)
            if call.new_name and results[0].status == ExecStatus.COMMAND_OK:
                call.statement.names[call.types] = call.name
            if failed and error is None:
                error = error_from_result(failed, encoding=self.info.encoding)
            answers.append(Answer(call.statement.transformer, results[-1]))
        if error is not None:
            raise error
        return answers


@dataclass(frozen=True, slots=True)
class Answer:
    """What a statement answered."""

    transformer: Transformer
    result: PGresult

    def rows(self) -> list[tuple[Any, ...]]:
        """All rows, in their order."""
        self.transformer.set_pgresult(self.result, set_loaders=True, format=Format.BINARY)
        return self.transformer.load_rows(0, self.result.ntuples, tuple)


@dataclass(slots=True)
class _Call:
    """A statement with its parameters as they are sent. `name` is empty where it is not prepared."""

    statement: _Statement
    text: bytes
    parameters: Sequence[Buffer | None]
    types: tuple[int, ...]
    formats: Sequence[Format]
    name: bytes
    new_name: bool

    @classmethod
    def of(cls, connection: Connection, text: bytes, parameters: tuple[object, ...]) -> "_Call":
        """Raises DataError or ProgrammingError for what Postgres has no form for; then nothing was sent."""
        statement = connection.statements.get(text)
        if statement is None:
            statement = connection.statements[text] = _Statement(adapt.Transformer(connection))
        transformer = statement.transformer
        dumped = transformer.dump_sequence(parameters, [adapt.PyFormat.AUTO] * len(parameters))
        types = tuple(transformer.types or ())
        name, new = statement.names.get(types, b""), False
        if not name and connection.prepared < MAX_PREPARED:
            connection.prepared += 1
            name, new = b"scorm_%d" % connection.prepared, True
        return cls(statement, text, dumped, types, transformer.formats or (), name, new)


def _exchange(connection: Connection, calls: Sequence[_Call]) -> PQGen[list[list[PGresult]]]:
    """The results of each call."""
    pgconn = connection.pgconn
    pgconn.enter_pipeline_mode()
    try:
        for call in calls:
            if call.new_name:
                pgconn.send_prepare(call.name, call.text, call.types)
            if call.name:
                pgconn.send_query_prepared(call.name, call.parameters, call.formats, Format.BINARY)
            else:
                pgconn.send_query_params(call.text, call.parameters, call.types, call.formats, Format.BINARY)
        pgconn.pipeline_sync()
        yield from send(pgconn)
        answers = []
        for call in calls:
            results = (yield from fetch_many(pgconn)) if call.new_name else []
            answers.append([*results, *(yield from fetch_many(pgconn))])
        yield from fetch_many(pgconn)
        return answers
    finally:
        if pgconn.status == ConnStatus.OK:
            pgconn.exit_pipeline_mode()
