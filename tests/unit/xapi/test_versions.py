"""Which version a request is judged by."""

import pytest

from server.domain.errors import InvalidRequest
from server.domain.xapi.versions import Version, negotiate


@pytest.mark.parametrize(
    ("header", "default", "version"),
    [
        ("1.0.3", Version.V1, Version.V1),
        ("1.0", Version.V1, Version.V1),
        ("1.0.0", Version.V1, Version.V1),
        ("1.0.17", Version.V1, Version.V1),
        (" 1.0.3 ", Version.V1, Version.V1),
        ("2.0.0", Version.V2, Version.V2),
        ("2.0", Version.V2, Version.V2),
        ("2.0.4", Version.V2, Version.V2),
        # The implementation of 1.0.3 answers.
        ("1.0.3", Version.V2, Version.V1),
        ("1.0", Version.V2, Version.V1),
    ],
)
def test_a_version_that_is_spoken_is_accepted(header: str, default: Version, version: Version) -> None:
    assert negotiate(header, default) is version


@pytest.mark.parametrize("default", Version)
@pytest.mark.parametrize(
    "header", [None, "", "0.95", "0.9", "1.1.0", "1.01", "2.1", "2.1.0", "20.0", "3.0.0", "latest"]
)
def test_any_other_version_is_refused(header: str | None, default: Version) -> None:
    with pytest.raises(InvalidRequest, match=default.header):
        negotiate(header, default)


def test_the_older_path_does_not_take_the_newer_version() -> None:
    with pytest.raises(InvalidRequest):
        negotiate("2.0.0", Version.V1)


def test_answers_name_the_latest_patch_and_statements_the_first() -> None:
    assert [(version.header, version.stored) for version in Version] == [("1.0.3", "1.0.0"), ("2.0.0", "2.0.0")]
