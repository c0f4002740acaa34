"""Durations in both notations."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.domain.cmi.durations import DAY, HOUR, MINUTE, SECOND, format_12, format_iso, parse_duration

hundredths = st.integers(min_value=0, max_value=9999 * 3600 * 100).map(lambda number: number * 10)


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [
        ("PT0S", 0),
        ("PT1H", HOUR),
        ("PT1H2M3.5S", HOUR + 2 * MINUTE + 3500),
        ("PT0.05S", 50),
        ("PT90M", 90 * MINUTE),
        ("P1D", DAY),
        ("P1M", 30 * DAY),
        ("P1Y", 365 * DAY),
        ("P1Y2M3DT4H5M6.78S", (365 + 60 + 3) * DAY + 4 * HOUR + 5 * MINUTE + 6780),
        ("00:00:00", 0),
        ("0001:30:05.5", HOUR + 30 * MINUTE + 5500),
        ("00:99:99.99", 99 * MINUTE + 99 * SECOND + 990),
        ("9999:59:59.99", 9999 * HOUR + 59 * MINUTE + 59 * SECOND + 990),
    ],
)
def test_a_duration_is_read(text: str, milliseconds: int) -> None:
    assert parse_duration(text) == milliseconds


@pytest.mark.parametrize(
    "text", ["", "P", "PT", "P1DT", "PT1.5H", "PT1", "-PT1S", "1:00:00", "00:00", "00:00:00.123", "soon"]
)
def test_anything_else_is_no_duration(text: str) -> None:
    assert parse_duration(text) is None


@pytest.mark.parametrize(
    ("milliseconds", "iso", "scorm_12"),
    [
        (0, "PT0S", "0000:00:00.00"),
        (9, "PT0S", "0000:00:00.00"),
        (3500, "PT3.5S", "0000:00:03.50"),
        (50, "PT0.05S", "0000:00:00.05"),
        (HOUR, "PT1H", "0001:00:00.00"),
        (HOUR + 5 * SECOND, "PT1H5S", "0001:00:05.00"),
        (50 * HOUR + MINUTE, "PT50H1M", "0050:01:00.00"),
        (10_000 * HOUR, "PT10000H", "9999:59:59.99"),
    ],
)
def test_a_duration_is_written_shortest_and_in_full(milliseconds: int, iso: str, scorm_12: str) -> None:
    assert format_iso(milliseconds) == iso
    assert format_12(milliseconds) == scorm_12


@given(hundredths)
def test_what_was_written_is_read_as_the_same(milliseconds: int) -> None:
    assert parse_duration(format_iso(milliseconds)) == milliseconds
    assert parse_duration(format_12(milliseconds)) == milliseconds


@given(st.lists(hundredths, max_size=20))
def test_parts_add_up_whatever_they_were_written_in(parts: list[int]) -> None:
    read = [parse_duration(write(part)) or 0 for part in parts for write in (format_iso, format_12)]
    assert parse_duration(format_iso(sum(read))) == 2 * sum(parts)


@given(st.text(alphabet="PT0123456789YMDHS.:- ", max_size=30))
def test_any_text_is_a_duration_or_not(text: str) -> None:
    read = parse_duration(text)
    assert read is None or (read >= 0 and parse_duration(format_iso(read)) == read)
