"""What a Retry-After header asks for."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from bench.retry_after import retry_after_s


@pytest.mark.parametrize(
    ("header", "seconds"), [("7", 7), (" 0 ", 0), (None, None), ("soon", None), ("-3", None)]
)
def test_seconds_are_taken_as_they_stand_and_anything_else_is_none(header, seconds):
    assert retry_after_s(header) == seconds


def test_a_date_is_so_far_away_and_a_past_one_is_now():
    now = datetime.now(UTC)
    later, earlier = now + timedelta(hours=1), now - timedelta(hours=1)
    assert retry_after_s(format_datetime(later, usegmt=True)) == pytest.approx(3600, abs=100)
    assert retry_after_s(format_datetime(earlier, usegmt=True)) == 0
    # a date without a zone is one in UTC
    assert retry_after_s(f"{later:%a, %d %b %Y %H:%M:%S} -0000") == pytest.approx(3600, abs=100)
