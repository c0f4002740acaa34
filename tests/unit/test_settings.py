"""What is wrong with a connection string is said without the password in it."""

from pathlib import Path

import pytest

from server import main
from server.config import Settings, SettingsError
from server.dev.settings import RunSettings

PEPPER = "API_KEY_PEPPER_FILE"
SIGNING_KEY = "CONTENT_SIGNING_KEY_FILE"
FILES = {PEPPER: "pepper", SIGNING_KEY: "key"}
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
