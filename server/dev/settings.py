"""What a user of `make run` may set, read from the environment."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path

from server.config import Settings, SettingsError, checked_dsn, origin_or_none

ROOT = Path(__file__).resolve().parents[2]
STAND_IN_BUCKET = "scorm"
# What `make run` decides itself; everything else that a process may be told is passed on as it is.
OURS = {
    "DATABASE_URL",
    "OPERATOR_DATABASE_URL",
    "LISTEN_ADDRESS",
    "METRICS_ADDRESS",
    "BASE_URL",
    "CONTENT_BASE_URL",
    "GCS_BUCKET",
    "API_KEY_PEPPER_FILE",
    "OPERATOR_TOKEN_FILE",
    "SECRETS_KEY_FILE",
    "CONTENT_SIGNING_KEY_FILE",
    "DOWNLOAD_SIGNING_KEY_FILE",
    "PREVIEW_SIGNING_KEY_FILE",
    "SESSION_TOKEN_KEY_FILE",
    "STORAGE_CREDENTIAL_FILE",
}
# What google-auth and its transport read, for a real bucket.
CLOUD_VARIABLES = (
    "HOME",
    "GOOGLE_APPLICATION_CREDENTIALS",
    "GOOGLE_CLOUD_PROJECT",
    "CLOUDSDK_CONFIG",
    "HTTPS_PROXY",
    "NO_PROXY",
    "SSL_CERT_FILE",
    "REQUESTS_CA_BUNDLE",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSettings:
    """`database_url` and `bucket` None: an embedded Postgres, the storage stand-in. `port` 0: any.

    `passed_on` holds variables that go to the processes as they are.
    """

    port: int
    var: Path
    serve_processes: int
    upload_processes: int
    database_url: str | None
    bucket: str | None
    otlp_endpoint: str | None
    trace_ratio: float
    passed_on: Mapping[str, str]

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "RunSettings":
        """An empty variable counts as absent. Raises SettingsError naming one that is wrong."""
        bucket, database_url = environment.get("GCS_BUCKET") or None, environment.get("DATABASE_URL") or None
        known = {field.metadata["name"] for field in fields(Settings)} - OURS | {"PATH", "LANG", "TZ"}
        known |= set(CLOUD_VARIABLES) if bucket else set()
        known |= {name for name in environment if name.startswith("OTEL_")}
        return cls(
            port=_integer(environment, "PORT", default=3001, least=0, most=65535),
            var=Path(environment.get("VAR_DIR") or ROOT / "var").absolute(),
            serve_processes=_integer(environment, "SERVE_PROCESSES", default=2, least=1, most=64),
            upload_processes=_integer(environment, "UPLOAD_PROCESSES", default=1, least=1, most=64),
            database_url=checked_dsn("DATABASE_URL", database_url) if database_url else None,
            bucket=bucket,
            otlp_endpoint=_otlp_endpoint(environment),
            trace_ratio=trace_ratio(environment),
            passed_on={name: environment[name] for name in sorted(known) if environment.get(name)},
        )


def _otlp_endpoint(environment: Mapping[str, str]) -> str | None:
    name = "OTEL_EXPORTER_OTLP_ENDPOINT"
    try:
        return origin_or_none(environment.get(name) or "")
    except ValueError as fault:
        raise SettingsError(f"{name}: {fault}") from None


def trace_ratio(environment: Mapping[str, str]) -> float:
    """The share of requests that the gateway traces, from the variables by which OpenTelemetry's SDK samples."""
    sampler = (environment.get("OTEL_TRACES_SAMPLER") or "parentbased_always_on").removeprefix("parentbased_")
    if sampler != "traceidratio":
        return 0.0 if sampler == "always_off" else 1.0
    text = environment.get("OTEL_TRACES_SAMPLER_ARG") or "1"
    try:
        ratio = float(text)
    except ValueError:
        ratio = -1.0
    if not 0 <= ratio <= 1:
        raise SettingsError(f"OTEL_TRACES_SAMPLER_ARG must be a number from 0 to 1, not {text!r}")
    return ratio


def _integer(environment: Mapping[str, str], name: str, *, default: int, least: int, most: int) -> int:
    text = environment.get(name) or str(default)
    if not (text.isascii() and text.isdigit() and least <= int(text) <= most):
        raise SettingsError(f"{name} must be a number from {least} to {most}, not {text!r}")
    return int(text)
