"""What a user of `make run` may set, read from the environment."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path

from server.config import Settings, SettingsError, checked_dsn

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
    "CONTENT_SIGNING_KEY_FILE",
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
    database_url: str | None
    bucket: str | None
    passed_on: Mapping[str, str]

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "RunSettings":
        """An empty variable counts as absent. Raises SettingsError naming one that is wrong."""
        bucket, database_url = environment.get("GCS_BUCKET") or None, environment.get("DATABASE_URL") or None
        known = {field.metadata["name"] for field in fields(Settings)} - OURS | {"PATH", "LANG", "TZ"}
        known |= set(CLOUD_VARIABLES) if bucket else set()
        return cls(
            port=_integer(environment, "PORT", default=3001, least=0, most=65535),
            var=Path(environment.get("VAR_DIR") or ROOT / "var").absolute(),
            serve_processes=_integer(environment, "SERVE_PROCESSES", default=2, least=1, most=64),
            database_url=checked_dsn("DATABASE_URL", database_url) if database_url else None,
            bucket=bucket,
            passed_on={name: environment[name] for name in sorted(known) if environment.get(name)},
        )


def _integer(environment: Mapping[str, str], name: str, *, default: int, least: int, most: int) -> int:
    text = environment.get(name) or str(default)
    if not (text.isascii() and text.isdigit() and least <= int(text) <= most):
        raise SettingsError(f"{name} must be a number from {least} to {most}, not {text!r}")
    return int(text)
