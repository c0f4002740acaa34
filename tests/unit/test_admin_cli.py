"""What the operator's command line refuses before it asks the service."""

import pytest

from server.rpc import admin_cli


@pytest.mark.parametrize(
    "arguments",
    [
        ["quota", "set", "--tenant", "t", "--packages", "-1"],
        ["quota", "set", "--tenant", "t", "--packages", "99999999999"],
        ["quota", "set", "--tenant", "t", "--bytes", "1e9"],
        ["key", "create", "--tenant", "t", "--scopes", "read", "--expires-at", "tomorrow"],
        ["key", "create", "--tenant", "t", "--scopes", "read", "--expires-at", "0001-01-01T00:00:00+14:00"],
        ["plan", "set", "--tenant", "t", "golden"],
        ["key", "create", "--tenant", "t"],
        ["nonsense"],
        [],
    ],
)
def test_what_is_malformed_is_told_with_the_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        admin_cli.main(arguments)
    assert end.value.code == 2
    assert "usage: python -m server admin" in capsys.readouterr().err


def test_a_service_that_is_not_there_is_told_as_json(
    monkeypatch: pytest.MonkeyPatch, tmp_path: object, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("VAR_DIR", str(tmp_path))
    assert admin_cli.main(["usage"]) == 1
    assert '"code": "UNAVAILABLE"' in capsys.readouterr().err
