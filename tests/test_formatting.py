"""Durations as text."""

import pytest

from resnet_keras.formatting import format_duration, format_elapsed

HOUR = 3600


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(0, "0 s"), (89.4, "89 s"), (90, "2 min"), (725, "12 min"), (3 * HOUR + 420, "3:07 h"),
     (47.5 * HOUR, "47:30 h"), (60 * HOUR, "2.5 days"), (300 * HOUR, "12 days")],
)  # fmt: skip
def test_duration(seconds, expected):
    assert format_duration(seconds) == expected


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(0, "0 s"), (59.4, "59 s"), (60, "1:00 min"), (725, "12:05 min"), (3 * HOUR + 420, "3:07 h"),
     (60 * HOUR, "60:00 h")],
)  # fmt: skip
def test_elapsed(seconds, expected):
    assert format_elapsed(seconds) == expected
