"""Structured logs: one JSON object per line on standard error. Nothing secret is ever passed to a logger."""

import contextlib
import json
import logging
import sys
from typing import Any, BinaryIO, cast

import orjson
import structlog


class _Patient:
    """Standard error, for which a full disk must not fail what is being logged about."""

    def write(self, line: bytes) -> None:
        with contextlib.suppress(OSError):
            sys.stderr.buffer.write(line)

    def flush(self) -> None:
        with contextlib.suppress(OSError):
            sys.stderr.buffer.flush()


def _dumps(event: object, **options: Any) -> bytes:
    """What orjson refuses, such as half a surrogate pair in a name, is written all the same."""
    try:
        return orjson.dumps(event, **options)
    except orjson.JSONEncodeError:
        return json.dumps(event, **options).encode()


def _tells_no_metadata(record: logging.LogRecord) -> bool:
    """False of what gRPC says of metadata that are no text: it would show them, whatever secret they are."""
    return not str(record.msg).startswith("Invalid encoding on")


def configure(level: str) -> None:
    """Sets up structlog, and the standard library's loggers of the packages we use, at `level`."""
    number = logging.getLevelNamesMapping()[level.upper()]
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[*shared, structlog.processors.JSONRenderer(serializer=_dumps)],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.BytesLoggerFactory(file=cast(BinaryIO, _Patient())),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(_tells_no_metadata)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[
                structlog.stdlib.add_logger_name,
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(),
            ],
            foreign_pre_chain=shared,
        )
    )
    logging.basicConfig(level=max(number, logging.INFO), handlers=[handler], force=True)
