"""README.md tells everything that can be set, granted and refused."""

import dataclasses
from pathlib import Path

import pytest

from server.config import Settings, SettingsError
from server.dev import readme
from server.dev.settings import OURS
from server.domain.api_keys import SCOPES, Plan
from server.rpc.errors import CATALOGUE

README = Path(__file__).resolve().parents[2] / "README.md"
TEXT = README.read_text()


def test_its_generated_blocks_are_up_to_date() -> None:
    assert readme.render(TEXT) == TEXT


@pytest.mark.parametrize("setting", [field.metadata["name"] for field in dataclasses.fields(Settings)])
def test_every_setting_is_documented(setting: str) -> None:
    assert f"| `{setting}` |" in TEXT


def test_what_make_run_passes_on_is_named_with_what_it_heeds() -> None:
    told = TEXT.partition("## Configuration")[2].partition("The processes themselves")[0]
    for name in {field.metadata["name"] for field in dataclasses.fields(Settings)} - OURS:
        assert f"`{name}`" in told


@pytest.mark.parametrize("name", sorted(SCOPES | set(Plan)))
def test_every_scope_and_plan_is_documented(name: str) -> None:
    assert f"`{name}`" in TEXT


@pytest.mark.parametrize("reason", CATALOGUE)
def test_every_reason_of_an_error_is_documented(reason: str) -> None:
    assert f"`{reason}`" in TEXT


def test_settings_that_are_wrong_are_all_named_at_once() -> None:
    with pytest.raises(SettingsError) as error:
        Settings.from_environment({"SPOOL_BYTES": "much"})
    for name in ("DATABASE_URL", "API_KEY_PEPPER_FILE", "CONTENT_SIGNING_KEY_FILE", "SPOOL_BYTES"):
        assert name in str(error.value)
