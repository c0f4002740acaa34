"""Settings, read once from the environment into one frozen value.

Every setting is documented in README.md; a test compares the two.
"""

import dataclasses
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_network
from pathlib import Path

from server.domain.egress import IpNetwork
from server.storage.dsn import Dsn, parse_dsn

GIB = 1024**3
PIB = 1024**5


class SettingsError(Exception):
    """A setting is missing or malformed. The message names it and says what it takes."""


# A host as gateway/edge.lua takes it: a name or an IPv4 address.
_ORIGIN = re.compile(r"(?P<scheme>https?)://(?P<host>[a-z0-9.-]+)(?::(?P<port>[0-9]{1,5}))?")
_ADDRESS = re.compile(r"(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\]):(?P<port>[0-9]{1,5})")
_DEFAULT_PORTS = {"http": "80", "https": "443"}
_LAST_PORT = 65535
# gateway/edge.lua takes 20 and drops them all where there are more; two are ours.
_MOST_ANCESTORS = 18
# The kernel's limit for the path of a unix socket, its final NUL not counted.
_SOCKET_PATH_BYTES = 107
_LOG_LEVELS = ("debug", "info", "warning", "error")


def _whole(least: int, most: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not (text.isascii() and text.isdigit() and len(text) < 20 and least <= int(text) <= most):
            raise ValueError(f"must be a whole number from {least} to {most}, not {text!r}")
        return int(text)

    return read


def _seconds(least: float, most: float) -> Callable[[str], float]:
    def read(text: str) -> float:
        try:
            seconds = float(text)
        except ValueError:
            seconds = -1.0
        if not least <= seconds <= most:  # also refuses nan
            raise ValueError(f"must be a number from {least:g} to {most:g}, not {text!r}")
        return seconds

    return read


def _origin(text: str) -> str:
    """An origin as browsers write it: lower case, without the scheme's own port."""
    found = _ORIGIN.fullmatch(text.lower())
    if found is None or int(found["port"] or 1) not in range(1, _LAST_PORT + 1):
        raise ValueError(f"must be an origin such as https://lms.example or http://localhost:3001, not {text!r}")
    port = found["port"]
    shown = "" if port is None or port == _DEFAULT_PORTS[found["scheme"]] else f":{int(port)}"
    return f"{found['scheme']}://{found['host']}{shown}"


def _ancestors(text: str) -> tuple[str, ...]:
    """Origins, whose host may begin with `*.` (CSP 3, 2.3.1)."""
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if len(parts) > _MOST_ANCESTORS:
        raise ValueError(f"must be {_MOST_ANCESTORS} origins at most, not {len(parts)}")
    origins = []
    for part in parts:
        plain = _origin(part.replace("://*.", "://", 1))
        origins.append(plain.replace("://", "://*.", 1) if "://*." in part else plain)
    return tuple(origins)


def _address(text: str) -> str:
    if text.startswith("unix:/") and len(os.fsencode(text.removeprefix("unix:"))) <= _SOCKET_PATH_BYTES:
        return text
    found = _ADDRESS.fullmatch(text)
    if found is None or int(found["port"]) not in range(1, _LAST_PORT + 1):
        raise ValueError(f"must be host:port or unix:/path of {_SOCKET_PATH_BYTES} bytes at most, not {text!r}")
    return text


def _networks(text: str) -> tuple[IpNetwork, ...]:
    try:
        return tuple(ip_network(part.strip()) for part in text.split(",") if part.strip())
    except ValueError as fault:
        raise ValueError(f"must be ranges such as 10.1.0.0/16, fd00:1::/32: {fault}") from None


def origin_or_none(text: str) -> str | None:
    """Raises ValueError for what is neither an origin nor empty."""
    return _origin(text) if text else None


def _origin_or_empty(text: str) -> str:
    return _origin(text) if text else ""


def _port_or_none(text: str) -> str | None:
    if text.startswith("unix:"):
        raise ValueError(f"must be host:port, not {text!r}")
    return _address(text) if text else None


def _log_level(text: str) -> str:
    if text.lower() not in _LOG_LEVELS:
        raise ValueError(f"must be one of {', '.join(_LOG_LEVELS)}, not {text!r}")
    return text.lower()


def _path_or_none(text: str) -> Path | None:
    return Path(text) if text else None


def checked_dsn(name: str, text: str) -> Dsn:
    """Raises SettingsError with the name of the variable and without its text, which may hold a password."""
    try:
        return parse_dsn(text)
    except ValueError as fault:
        raise SettingsError(f"{name}: {fault}") from None


def _setting(
    name: str, help: str, default: str | None = None, *, read: Callable[[str], object] = str
) -> dict[str, object]:
    return {"name": name, "help": help, "default": default, "read": read}


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All settings of every role. A field's metadata hold its variable, meaning, default, and what reads its text.

    `read` raises ValueError with what the text must be.
    """

    database_url: Dsn = field(
        metadata=_setting("DATABASE_URL", "Postgres as the role `scorm_server` sees it", read=parse_dsn)
    )
    operator_database_url: Dsn = field(
        metadata=_setting(
            "OPERATOR_DATABASE_URL", "Postgres as the role `scorm_operator` sees it; worker only", "", read=parse_dsn
        )
    )
    database_pool_size: int = field(
        metadata=_setting("DATABASE_POOL_SIZE", "connections to Postgres per process", "8", read=_whole(1, 1000))
    )
    listen_address: str = field(
        metadata=_setting(
            "LISTEN_ADDRESS", "where the role serves gRPC: host:port or unix:/path", "127.0.0.1:50051", read=_address
        )
    )
    base_url: str = field(
        metadata=_setting("BASE_URL", "origin of API and player", "http://localhost:3001", read=_origin)
    )
    content_base_url: str = field(
        metadata=_setting(
            "CONTENT_BASE_URL", "origin of courses; never the same as BASE_URL", "http://127.0.0.1:3001", read=_origin
        )
    )
    frame_ancestors: tuple[str, ...] = field(
        metadata=_setting("FRAME_ANCESTORS", "origins that may frame courses, comma-separated", "", read=_ancestors)
    )
    gcs_bucket: str = field(metadata=_setting("GCS_BUCKET", "bucket that holds packages", "scorm"))
    api_key_pepper_file: Path = field(
        metadata=_setting(
            "API_KEY_PEPPER_FILE", "file with the secret that key hashes are made with, 32 bytes or more", read=Path
        )
    )
    operator_token_file: Path | None = field(
        metadata=_setting(
            "OPERATOR_TOKEN_FILE", "file with the operator's credential; worker and admin only", "", read=_path_or_none
        )
    )
    secrets_key_file: Path | None = field(
        metadata=_setting(
            "SECRETS_KEY_FILE",
            "file with the secret that encrypts what customers entrust to us, 32 bytes or more; serve and worker only",
            "",
            read=_path_or_none,
        )
    )
    content_signing_key_file: Path = field(
        metadata=_setting(
            "CONTENT_SIGNING_KEY_FILE", "PEM file with the Ed25519 key that signs content tokens", read=Path
        )
    )
    download_signing_key_file: Path = field(
        metadata=_setting("DOWNLOAD_SIGNING_KEY_FILE", "the same for download tokens; never the same key", read=Path)
    )
    preview_signing_key_file: Path = field(
        metadata=_setting("PREVIEW_SIGNING_KEY_FILE", "the same for preview tokens; never the same key", read=Path)
    )
    session_token_key_file: Path = field(
        metadata=_setting(
            "SESSION_TOKEN_KEY_FILE",
            "file with the secret that signs learners' links, 32 bytes or more; whoever changes it voids them all",
            read=Path,
        )
    )
    iri_base: str = field(
        metadata=_setting(
            "IRI_BASE",
            "begins the ids of learners and courses in xAPI statements, by default BASE_URL; never changed afterwards",
            "",
            read=_origin_or_empty,
        )
    )
    storage_credential_file: Path | None = field(
        metadata=_setting(
            "STORAGE_CREDENTIAL_FILE",
            "file for the token with which Envoy reads a real bucket; the worker writes it",
            "",
            read=_path_or_none,
        )
    )
    spool_dir: Path = field(
        metadata=_setting(
            "SPOOL_DIR",
            "directory for uploads on their way; new, or this user's with mode 0700",
            "/tmp/scorm-spool",
            read=Path,
        )
    )
    spool_bytes: int = field(
        metadata=_setting(
            "SPOOL_BYTES",
            "disk for uploads on their way together, per process; a tenant half, or MAX_PACKAGE_BYTES if more",
            str(40 * GIB),
            read=_whole(1, PIB),
        )
    )
    max_package_bytes: int = field(
        metadata=_setting("MAX_PACKAGE_BYTES", "largest file that is accepted", str(10 * GIB), read=_whole(1, PIB))
    )
    max_expanded_bytes: int = field(
        metadata=_setting(
            "MAX_EXPANDED_BYTES", "largest sum of unpacked files of a package", str(50 * GIB), read=_whole(1, PIB)
        )
    )
    max_package_files: int = field(
        metadata=_setting("MAX_PACKAGE_FILES", "most files in a package", "50000", read=_whole(1, 10_000_000))
    )
    upload_stall_seconds: int = field(
        metadata=_setting(
            "UPLOAD_STALL_SECONDS",
            "time in which an upload must bring 64 KiB, or a message over gRPC, before it is given up",
            "90",
            read=_whole(1, 3600),
        )
    )
    transfer_threads: int = field(
        metadata=_setting(
            "TRANSFER_THREADS", "concurrent requests to storage per upload process", "32", read=_whole(1, 256)
        )
    )
    imports_at_once: int = field(
        metadata=_setting("IMPORTS_AT_ONCE", "imports from URLs that a worker runs at once", "8", read=_whole(1, 100))
    )
    egress_allow_cidrs: tuple[IpNetwork, ...] = field(
        metadata=_setting(
            "EGRESS_ALLOW_CIDRS",
            "ranges that customers' URLs may lead to though they are not public, comma-separated",
            "",
            read=_networks,
        )
    )
    metrics_address: str | None = field(
        metadata=_setting(
            "METRICS_ADDRESS", "host:port where Prometheus reads the process's metrics", "", read=_port_or_none
        )
    )
    otlp_endpoint: str | None = field(
        metadata=_setting(
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            "collector that takes traces over OTLP (gRPC): http://host:port or https://host:port",
            "",
            read=origin_or_none,
        )
    )
    drain_seconds: float = field(
        metadata=_setting(
            "DRAIN_SECONDS",
            "time after SIGTERM for the gateway to stop sending new requests",
            "3",
            read=_seconds(0, 3600),
        )
    )
    grace_seconds: float = field(
        metadata=_setting(
            "GRACE_SECONDS",
            "time after that for calls under way, before they are cancelled; long where large uploads shall survive",
            "30",
            read=_seconds(0, 86_400),
        )
    )
    lost_seconds: float = field(
        metadata=_setting(
            "LOST_SECONDS",
            "silence after which an upload gives itself up; its files go after twice that, jobs of a dead worker and "
            "the Idempotency-Key of a dead upload are free after half; the same for all roles",
            "60",
            read=_seconds(1, 3600),
        )
    )
    log_level: str = field(metadata=_setting("LOG_LEVEL", "debug, info, warning or error", "info", read=_log_level))

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
                values[setting.name] = setting.metadata["read"](text)
            except ValueError as fault:
                faults.append(f"{name} ({setting.metadata['help']}): {fault}")
        if values.get("base_url") == values.get("content_base_url") is not None:
            faults.append("CONTENT_BASE_URL must differ from BASE_URL: a course could read the pages of the API")
        if faults:
            raise SettingsError("; ".join(faults))
        return cls(**values)  # type: ignore[arg-type]  # the fields were walked above
