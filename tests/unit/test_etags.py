"""Entity tags and the header If-Match."""

import contextlib
from collections.abc import Collection

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.domain.errors import ValidationFailed
from server.domain.etags import ANY, IfMatch, format_etag, parse_if_match
from tests.unit.endless import not_endless


@pytest.mark.parametrize("header", [None, "*", " *\t"])
def test_without_a_header_and_by_a_star_everything_matches(header: str | None) -> None:
    assert parse_if_match(header) == ANY


@pytest.mark.parametrize(
    ("header", "revisions"),
    [
        ('"1"', {1}),
        ('W/"7"', {7}),
        ('"1", "2",W/"3"', {1, 2, 3}),
        (', ,"1",, "2" ,', {1, 2}),
        ('"someone else\'s"', None),
        ('"not,ours", "4"', {4}),
        ('"007"', set()),
        ('"0"', set()),
        ('"-1"', set()),
        ('"１"', set()),
        ('""', set()),
        ('"99999999999999999999999"', set()),
        ('"999999999999999999"', {999999999999999999}),
    ],
)
def test_each_tag_of_ours_is_a_revision_and_no_other_matches(header: str, revisions: Collection[int] | None) -> None:
    if revisions is None:  # a blank is no part of a tag
        with pytest.raises(ValidationFailed):
            parse_if_match(header)
    else:
        assert parse_if_match(header) == IfMatch(frozenset(revisions))


@pytest.mark.parametrize(
    "header", ["", ",", "1", '"1', '1"', "'1'", 'w/"1"', 'W/ "1"', '"1" "2"', '*, "1"', '"a\x7f"', '"\n"', '"1"' * 2000]
)
def test_what_is_no_list_of_tags_is_named(header: str) -> None:
    with pytest.raises(ValidationFailed) as failed:
        parse_if_match(header)
    assert list(failed.value.field_errors) == ["if_match"]


@given(st.lists(st.integers(1, 10**17), min_size=1, max_size=20))
def test_what_we_told_is_recognised(revisions: list[int]) -> None:
    assert parse_if_match(", ".join(map(format_etag, revisions))) == IfMatch(frozenset(revisions))


@pytest.mark.parametrize("header", [", " * 2000 + "x", " " * 4000 + "x", '"' * 4096, 'W/"' * 1300, '"1",' * 1000 + '"'])
def test_no_header_keeps_the_parser_busy(header: str) -> None:
    with not_endless(), pytest.raises(ValidationFailed):
        parse_if_match(header)


@given(st.text('"*W/, 1\t', max_size=60))
def test_no_header_breaks_the_parser(header: str) -> None:
    with contextlib.suppress(ValidationFailed):
        parse_if_match(header)
