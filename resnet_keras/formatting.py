"""Durations as text."""


def format_duration(seconds: float) -> str:
    """Formats a duration for a report, with about two significant digits.

    Args:
        seconds: the duration in seconds.

    Returns:
        Such as `42 s`, `12 min`, `3:07 h` or `2.5 days`.

    Example:

    >>> format_duration(725)
    '12 min'
    >>> format_duration(2.5 * 24 * 3600)
    '2.5 days'
    """
    seconds = round(seconds)
    if seconds < 90:
        return f"{seconds} s"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"{minutes} min"
    if minutes < 48 * 60:
        return f"{minutes // 60}:{minutes % 60:02d} h"
    days = minutes / 1440
    return f"{days:.1f} days" if days < 10 else f"{days:,.0f} days"


def format_elapsed(seconds: float) -> str:
    """Formats a duration for a progress display, to the second for up to one hour.

    Unlike with `format_duration`, the text changes often enough to show that a run is alive.

    Args:
        seconds: the duration in seconds.

    Returns:
        Such as `42 s`, `12:05 min` or `3:07 h`.

    Example:

    >>> format_elapsed(725)
    '12:05 min'
    >>> format_elapsed(11220)
    '3:07 h'
    """
    seconds = round(seconds)
    if seconds < 60:
        return f"{seconds} s"
    minutes, seconds = divmod(seconds, 60)
    if minutes < 60:
        return f"{minutes}:{seconds:02d} min"
    return f"{minutes // 60}:{minutes % 60:02d} h"
