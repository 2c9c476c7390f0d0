"""Numbers in words: counts, money, times and shares as a person reads them at a glance."""

from __future__ import annotations

from datetime import datetime

NOTHING = "–"  # what is not known
UNITS = ((31_557_600, "y"), (86_400, "d"), (3600, "h"), (60, "min"))
LARGE = ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e4, "k"))


def count(number: float | None) -> str:
    """Returns a number with its thousands apart, `12,345`; what is below ten and no whole number keeps a digit."""
    if number is None:
        return NOTHING
    return f"{number:,.1f}" if 0 < abs(number) < 10 and number != round(number) else f"{number:,.0f}"


def short(number: float | None) -> str:
    """Returns a number in few characters, `12.3k`, from ten thousand on."""
    if number is None:
        return NOTHING
    for size, letter in LARGE:
        if abs(number) >= size:
            value = number / (1e3 if letter == "k" else size)
            return f"{value:,.1f}{letter}" if value < 100 else f"{value:,.0f}{letter}"
    return count(number)


def money(dollars: float | None) -> str:
    """Returns US dollars; small amounts keep what can be told of them."""
    if dollars is None:
        return NOTHING
    if dollars == 0 or dollars >= 100:
        return f"${short(round(dollars))}"
    return f"${dollars:,.2f}" if dollars >= 0.1 else f"${dollars:.2g}" if dollars >= 0.0001 else f"${dollars:.1e}"


def share(part: float | None) -> str:
    """Returns a share in [0, 1] in percent; what is nearly all, or nearly nothing, is not called that."""
    if part is None:
        return NOTHING
    percent = 100 * part
    if 0 < percent < 1 or 99 < percent < 100:
        return f"{min(max(percent, 0.1), 99.9):.1f}%"
    return f"{percent:.0f}%"


def duration(seconds: float | None) -> str:
    """Returns a time in the two units that matter: `3 h 20 min`."""
    if seconds is None:
        return NOTHING
    if seconds < 60:
        return f"{seconds:.1f} s" if 0 < seconds < 10 else f"{seconds:.0f} s"
    whole = round(seconds)
    for place, (size, name) in enumerate(UNITS):
        if whole >= size:
            rest, smaller = whole % size, UNITS[place + 1 :]
            more = f" {rest // smaller[0][0]} {smaller[0][1]}" if smaller and rest >= smaller[0][0] else ""
            return f"{whole // size:,} {name}{more}"
    return f"{whole} s"


def amount(kind: str, value: float | None) -> str:
    """Returns what a budget counts: `tokens`, `usd` or `seconds`."""
    return {"usd": money, "seconds": duration}.get(kind, short)(value)


def moment(milliseconds: int) -> str:
    """Returns a time of day, with its date, on this machine's clock."""
    return datetime.fromtimestamp(milliseconds / 1000).astimezone().strftime("%Y-%m-%d %H:%M:%S")
