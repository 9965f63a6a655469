"""Durations as people write them."""


def clock(seconds: float) -> str:
    """Returns `42 s`, `12 min`, `3:07 h` or `2.5 days`: as fine as matters."""
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
