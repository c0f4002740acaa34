"""Settings, read once from the environment into one frozen value.

Every setting is documented in README.md; a test compares the two.
"""

import dataclasses
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NewType

import psycopg
from psycopg.conninfo import conninfo_to_dict

GIB = 1024**3

Dsn = NewType("Dsn", str)
"""A connection string of Postgres that libpq can read. It may hold a password."""


class SettingsError(Exception):
    """A setting is missing or malformed. The message names it and says what it takes."""


def _setting(name: str, help: str, default: str | None = None) -> dict[str, object]:
    return {"name": name, "help": help, "default": default}


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All settings of every role. A field's metadata hold its variable, its meaning and its default."""

    database_url: Dsn = field(metadata=_setting("DATABASE_URL", "Postgres as the role `scorm_server` sees it"))
    operator_database_url: Dsn = field(
        metadata=_setting("OPERATOR_DATABASE_URL", "Postgres as the role `scorm_operator` sees it; worker only", "")
    )
    database_pool_size: int = field(metadata=_setting("DATABASE_POOL_SIZE", "connections to Postgres per process", "8"))
    listen_address: str = field(
        metadata=_setting("LISTEN_ADDRESS", "where the role serves gRPC: host:port or unix:/path", "127.0.0.1:50051")
    )
    base_url: str = field(metadata=_setting("BASE_URL", "origin of API and player", "http://localhost:3001"))
    content_base_url: str = field(
        metadata=_setting("CONTENT_BASE_URL", "origin of courses; never the same as BASE_URL", "http://127.0.0.1:3001")
    )
    frame_ancestors: tuple[str, ...] = field(
        metadata=_setting("FRAME_ANCESTORS", "origins that may frame courses, comma-separated", "")
    )
    gcs_bucket: str = field(metadata=_setting("GCS_BUCKET", "bucket that holds packages", "scorm"))
    api_key_pepper_file: Path = field(
        metadata=_setting("API_KEY_PEPPER_FILE", "file with the secret that key hashes are made with, 32 bytes or more")
    )
    operator_token_file: Path | None = field(
        metadata=_setting("OPERATOR_TOKEN_FILE", "file with the operator's credential; worker and admin only", "")
    )
    content_signing_key_file: Path = field(
        metadata=_setting("CONTENT_SIGNING_KEY_FILE", "PEM file with the Ed25519 key that signs content tokens")
    )
    storage_credential_file: Path | None = field(
        metadata=_setting(
            "STORAGE_CREDENTIAL_FILE",
            "file for the token with which Envoy reads a real bucket; the worker writes it",
            "",
        )
    )
    spool_dir: Path = field(
        metadata=_setting(
            "SPOOL_DIR", "directory for uploads on their way; new, or this user's with mode 0700", "/tmp/scorm-spool"
        )
    )
    spool_bytes: int = field(
        metadata=_setting("SPOOL_BYTES", "disk that uploads on their way may use together, per process", str(40 * GIB))
    )
    max_package_bytes: int = field(
        metadata=_setting("MAX_PACKAGE_BYTES", "largest file that is accepted", str(10 * GIB))
    )
    max_expanded_bytes: int = field(
        metadata=_setting("MAX_EXPANDED_BYTES", "largest sum of unpacked files of a package", str(50 * GIB))
    )
    max_package_files: int = field(metadata=_setting("MAX_PACKAGE_FILES", "most files in a package", "50000"))
    transfer_threads: int = field(
        metadata=_setting("TRANSFER_THREADS", "concurrent requests to storage per upload process", "16")
    )
    drain_seconds: float = field(
        metadata=_setting("DRAIN_SECONDS", "time after SIGTERM for the gateway to stop sending new requests", "3")
    )
    log_level: str = field(metadata=_setting("LOG_LEVEL", "debug, info, warning or error", "info"))

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> "Settings":
        """Reads every setting; an empty variable counts as absent. Raises SettingsError naming all that are wrong."""
        values: dict[str, object] = {}
        faults: list[str] = []
        for setting in dataclasses.fields(cls):
            name, default = setting.metadata["name"], setting.metadata["default"]
            text = environment.get(name) or default
            try:
                if text is None:
                    raise ValueError("is required")
                values[setting.name] = _convert(setting.type, text)
            except ValueError as fault:
                faults.append(f"{name} ({setting.metadata['help']}): {fault}")
        if faults:
            raise SettingsError("; ".join(faults))
        return cls(**values)  # type: ignore[arg-type]  # the fields were walked above


def checked_dsn(name: str, text: str) -> Dsn:
    """Raises SettingsError with the name of the variable and without its text, which may hold a password."""
    try:
        return _dsn(text)
    except ValueError as fault:
        raise SettingsError(f"{name}: {fault}") from None


def _dsn(text: str) -> Dsn:
    """Raises ValueError for what libpq would refuse later, and would quote with parts of the password."""
    try:
        parts = conninfo_to_dict(text)
    except psycopg.Error:
        parts = None
    if parts is None or _has_misplaced_password(text, parts):
        raise ValueError(
            "is neither postgresql://user:password@host:port/database nor key=value pairs; "
            "in a URL, percent-encode special characters of user and password"
        )
    return Dsn(text)


def _has_misplaced_password(text: str, parts: Mapping[str, object]) -> bool:
    """Whether a `/` or `@` in the password made a part of it the port, the host or the database."""
    if any(port and not port.isdecimal() for port in str(parts.get("port", "")).split(",")):
        return True
    if not text.startswith(("postgresql://", "postgres://")):
        return False
    path = text.partition("://")[2].partition("?")[0].partition("/")[2]
    # A host may begin with @: an abstract unix socket.
    return "@" in path or "@" in str(parts.get("host", ""))[1:]


def _convert(kind: object, text: str) -> object:
    if kind is Dsn:
        return _dsn(text)
    if kind is int:
        return int(text)
    if kind is float:
        return float(text)
    if kind is Path:
        return Path(text)
    if kind == Path | None:
        return Path(text) if text else None
    if kind == tuple[str, ...]:
        return tuple(part.strip() for part in text.split(",") if part.strip())
    return text
