"""What is wrong with a setting is said in its name; a password is not shown."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from server import main
from server.config import Settings, SettingsError
from server.dev.secrets import load_or_create
from server.dev.settings import RunSettings

ROOT = Path(__file__).resolve().parents[2]
OTHER_KEY = (
    ec.generate_private_key(ec.SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
)
PEPPER = "API_KEY_PEPPER_FILE"
SIGNING_KEY = "CONTENT_SIGNING_KEY_FILE"
FILES = {
    PEPPER: "pepper",
    SIGNING_KEY: "key",
    "DOWNLOAD_SIGNING_KEY_FILE": "key",
    "PREVIEW_SIGNING_KEY_FILE": "key",
    "SESSION_TOKEN_KEY_FILE": "key",
}
GOOD = "postgresql://scorm@127.0.0.1:5432/scorm"
# Each holds `s3cret`, of which libpq's own message would quote at least a part.
MALFORMED = [
    "postgres//scorm:s3cret@127.0.0.1/db",
    "postgresql:/scorm:s3cret@127.0.0.1/db",
    "postgresql+psycopg://scorm:s3cret@127.0.0.1/db",
    "postgresql://scorm:p%s3cret@127.0.0.1/db",
    "postgresql://scorm:p/s3cret@127.0.0.1/db",
    "postgresql://scorm:12/s3cret@127.0.0.1/db",
    "postgresql://scorm:s3cret/12@127.0.0.1/db",
    "postgresql://scorm:p@s3cret@127.0.0.1/db",
    "postgresql://127.0.0.1/db?user=scorm&password=p&s3cret",
    "host=127.0.0.1 user=scorm password=p s3cret",
    "host=127.0.0.1 port=s3cret",
]


@pytest.mark.parametrize("text", MALFORMED)
@pytest.mark.parametrize("name", ["DATABASE_URL", "OPERATOR_DATABASE_URL"])
def test_a_malformed_connection_string_is_named_and_not_shown(name: str, text: str) -> None:
    with pytest.raises(SettingsError) as error:
        Settings.from_environment({"DATABASE_URL": GOOD, **FILES, name: text})
    assert f"{name} (" in str(error.value)
    assert "percent-encode" in str(error.value)
    assert "s3cret" not in str(error.value)


@pytest.mark.parametrize("text", MALFORMED)
def test_make_run_does_not_show_it_either(text: str) -> None:
    with pytest.raises(SettingsError, match="DATABASE_URL") as error:
        RunSettings.from_environment({"DATABASE_URL": text})
    assert "s3cret" not in str(error.value)


@pytest.mark.parametrize("role", ["serve", "upload", "worker", "migrate"])
def test_no_process_prints_it(
    role: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    for name in (PEPPER, SIGNING_KEY, "OPERATOR_TOKEN_FILE"):
        (tmp_path / name).write_text("x" * 32)
        monkeypatch.setenv(name, str(tmp_path / name))
    for name in ("DATABASE_URL", "OPERATOR_DATABASE_URL", "OWNER_DATABASE_URL"):
        monkeypatch.setenv(name, MALFORMED[0])
    assert main.main([role]) == 2
    printed = "".join(capfd.readouterr())
    assert "DATABASE_URL" in printed
    assert "s3cret" not in printed
    assert "Traceback" not in printed


@pytest.mark.parametrize(
    "text",
    [
        GOOD,
        "postgres://scorm:p%2Fs3cret%40@db.example:5432/scorm?sslmode=verify-full",
        "postgresql://scorm:p#s3cret?@[::1]/scorm",
        "postgresql://one:5432,two:5433/scorm?user=scorm@server&target_session_attrs=read-write",
        "postgresql:///scorm?host=/run/postgresql",
        "postgresql:///scorm?host=%40abstract",
        "host=/run/postgresql dbname=scorm@home password='p://s3/cret@ p'",
    ],
)
def test_what_libpq_reads_is_taken_as_it_is(text: str) -> None:
    assert Settings.from_environment({"DATABASE_URL": text, **FILES}).database_url == text


def test_only_the_worker_needs_the_operators_database() -> None:
    assert Settings.from_environment({"DATABASE_URL": GOOD, **FILES}).operator_database_url == ""


REQUIRED = {"DATABASE_URL": GOOD, **FILES}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("BASE_URL", "foo"),
        ("BASE_URL", "ftp://lms.example"),
        ("BASE_URL", "https://lms.example/"),
        ("BASE_URL", "https://lms.example/path"),
        ("BASE_URL", "https://me@lms.example"),
        ("CONTENT_BASE_URL", "http://content.example:0"),
        ("CONTENT_BASE_URL", "http://content.example:65536"),
        ("FRAME_ANCESTORS", "nonsense; x"),
        ("FRAME_ANCESTORS", "https://lms.example, *"),
        ("FRAME_ANCESTORS", "https://*"),
        ("FRAME_ANCESTORS", ",".join(f"https://lms-{number}.example" for number in range(19))),
        ("DATABASE_POOL_SIZE", "0"),
        ("TRANSFER_THREADS", "0"),
        ("UPLOAD_STALL_SECONDS", "0"),
        ("IMPORTS_AT_ONCE", "0"),
        ("EGRESS_ALLOW_CIDRS", "10.0.0.1/8"),
        ("EGRESS_ALLOW_CIDRS", "10.0.0.0/8; ::1"),
        ("EGRESS_ALLOW_CIDRS", "intranet.example"),
        ("LISTEN_ADDRESS", "foo"),
        ("LISTEN_ADDRESS", "127.0.0.1:70000"),
        ("LISTEN_ADDRESS", "unix:relative"),
        ("LISTEN_ADDRESS", "unix:/" + "x" * 107),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "127.0.0.1:4317"),
        ("METRICS_ADDRESS", "9100"),
        ("METRICS_ADDRESS", "unix:/run/metrics"),
        ("DRAIN_SECONDS", "nan"),
        ("DRAIN_SECONDS", "inf"),
        ("DRAIN_SECONDS", "-1"),
        ("LOST_SECONDS", "0"),
        ("MAX_PACKAGE_BYTES", "-5"),
        ("MAX_PACKAGE_BYTES", "1e9"),
        ("MAX_EXPANDED_BYTES", "0"),
        ("MAX_PACKAGE_FILES", "9" * 5000),
        ("SPOOL_BYTES", "٣"),
        ("LOG_LEVEL", "loud"),
    ],
)
def test_a_value_that_is_no_such_thing_is_named_with_what_it_must_be(name: str, text: str) -> None:
    with pytest.raises(SettingsError, match=rf"^{name} \(.*\): must be "):
        Settings.from_environment({**REQUIRED, name: text})


@pytest.mark.parametrize(
    ("sampler", "argument", "ratio"),
    [
        ("", "", 1.0),
        ("", "0.1", 1.0),  # OpenTelemetry's SDK heeds no argument of no sampler
        ("traceidratio", "0.1", 0.1),
        ("parentbased_traceidratio", "0", 0.0),
        ("parentbased_traceidratio", "", 1.0),
        ("always_off", "", 0.0),
    ],
)
def test_the_gateway_samples_as_the_processes_would(sampler: str, argument: str, ratio: float) -> None:
    environment = {"OTEL_TRACES_SAMPLER": sampler, "OTEL_TRACES_SAMPLER_ARG": argument}
    assert RunSettings.from_environment(environment).trace_ratio == ratio


@pytest.mark.parametrize(
    ("name", "text"), [("OTEL_TRACES_SAMPLER_ARG", "10%"), ("OTEL_EXPORTER_OTLP_ENDPOINT", "127.0.0.1:4317")]
)
def test_make_run_names_what_it_cannot_trace_by(name: str, text: str) -> None:
    with pytest.raises(SettingsError, match=name):
        RunSettings.from_environment({"OTEL_TRACES_SAMPLER": "traceidratio", name: text})


def test_every_wrong_value_is_named_at_once() -> None:
    wrong = {"LOG_LEVEL": "loud", "BASE_URL": "foo", "TRANSFER_THREADS": "0"}
    with pytest.raises(SettingsError) as error:
        Settings.from_environment({**REQUIRED, **wrong})
    assert all(name in str(error.value) for name in wrong)


@pytest.mark.parametrize("content", ["http://localhost:3001", "HTTP://LocalHost:3001"])
def test_courses_never_share_the_origin_of_the_api(content: str) -> None:
    with pytest.raises(SettingsError, match="CONTENT_BASE_URL must differ from BASE_URL"):
        Settings.from_environment({**REQUIRED, "CONTENT_BASE_URL": content})


def test_origins_are_taken_as_browsers_write_them() -> None:
    settings = Settings.from_environment(
        {
            **REQUIRED,
            "BASE_URL": "https://LMS.example:443",
            "CONTENT_BASE_URL": "http://content.example:8080",
            "FRAME_ANCESTORS": " https://*.school.example , http://10.0.0.1:80,",
        }
    )
    assert settings.base_url == "https://lms.example"
    assert settings.content_base_url == "http://content.example:8080"
    assert settings.frame_ancestors == ("https://*.school.example", "http://10.0.0.1")


def test_ranges_that_customers_urls_may_lead_to() -> None:
    opened = Settings.from_environment({**REQUIRED, "EGRESS_ALLOW_CIDRS": " 10.1.0.0/16,fd00:1::/32 ,127.0.0.1"})
    assert list(map(str, opened.egress_allow_cidrs)) == ["10.1.0.0/16", "fd00:1::/32", "127.0.0.1/32"]
    assert Settings.from_environment(REQUIRED).egress_allow_cidrs == ()


@pytest.mark.parametrize("address", ["0.0.0.0:1", "localhost:50051", "[::]:65535", "unix:/run/scorm/serve"])
def test_addresses_to_listen_at(address: str) -> None:
    assert Settings.from_environment({**REQUIRED, "LISTEN_ADDRESS": address}).listen_address == address


@pytest.fixture
def ready_to_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An environment in which every role can start, as far as files go; answers their directory."""
    secrets = load_or_create(tmp_path)
    environment = {
        "DATABASE_URL": GOOD,
        "OPERATOR_DATABASE_URL": GOOD,
        "API_KEY_PEPPER_FILE": secrets.api_key_pepper_file,
        "CONTENT_SIGNING_KEY_FILE": secrets.content_signing_key_file,
        "DOWNLOAD_SIGNING_KEY_FILE": secrets.download_signing_key_file,
        "PREVIEW_SIGNING_KEY_FILE": secrets.preview_signing_key_file,
        "SESSION_TOKEN_KEY_FILE": secrets.session_token_key_file,
        "OPERATOR_TOKEN_FILE": secrets.operator_token_file,
        "SECRETS_KEY_FILE": secrets.secrets_key_file,
        "SPOOL_DIR": tmp_path / "spool",
        "LISTEN_ADDRESS": f"unix:{tmp_path}/role",
        # Nothing to authenticate with, and no asking around for the metadata of a machine in the cloud.
        "HOME": tmp_path,
        "NO_GCE_CHECK": "true",
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, str(value))
    for name in ("STORAGE_EMULATOR_HOST", "GOOGLE_APPLICATION_CREDENTIALS", "CLOUDSDK_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def refusal(role: str) -> str:
    """What a role prints that cannot start."""
    done = subprocess.run([sys.executable, "-m", "server", role], cwd=ROOT, capture_output=True, text=True, timeout=30)
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr


@pytest.mark.parametrize(
    ("kind", "text"),
    [("content", "no PEM"), ("content", OTHER_KEY), ("content", None), ("download", None), ("preview", None)],
    ids=["text", "another kind of key", "no file", "none for downloads", "none for previews"],
)
def test_a_file_without_a_signing_key_is_named(ready_to_start: Path, kind: str, text: str | None) -> None:
    path = ready_to_start / f"{kind}-signing-key.pem"
    path.unlink()
    if text is not None:
        path.write_text(text)
    said = refusal("serve")
    assert said.startswith(f"serve cannot start: {kind.upper()}_SIGNING_KEY_FILE: ")
    assert str(path) in said


@pytest.mark.parametrize("role", ["serve", "upload", "worker"])
def test_a_bucket_without_credentials_is_named(ready_to_start: Path, role: str) -> None:
    assert "GCS_BUCKET: no credentials for bucket scorm" in refusal(role)


def test_an_address_in_use_is_named(ready_to_start: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = f"127.0.0.1:{other.getsockname()[1]}"
        monkeypatch.setenv("LISTEN_ADDRESS", address)
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", "http://127.0.0.1:1")
        assert f"cannot listen at {address}" in refusal("serve")


def test_a_log_level_that_is_none_is_not_called_missing(ready_to_start: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOG_LEVEL", "loud")
    assert "LOG_LEVEL (debug, info, warning or error): must be" in refusal("serve")


def test_migrating_needs_an_owner(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OWNER_DATABASE_URL", raising=False)
    assert refusal("migrate") == "migrate cannot start: OWNER_DATABASE_URL must be set\n"
