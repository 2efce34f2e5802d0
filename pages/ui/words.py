"""Figures as people read them: `0.83 ms`, `1,204 images/s`, `87.1 %`. Never false precision."""

import functools
import math
from collections.abc import Iterable

UNKNOWN = "unknown"


def time(seconds: float | None) -> str:
    """A duration with three figures and the unit that suits it."""
    if seconds is None or not math.isfinite(seconds):
        return UNKNOWN
    rounded = float(f"{seconds:.3g}")  # 0.9996 s is 1 s, not 1,000 ms
    if rounded < 1e-4:
        return f"{_three(seconds * 1e6)} µs"
    if rounded < 1:
        return f"{_three(seconds * 1e3)} ms"
    if seconds < 120:
        return f"{_three(seconds)} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"


def roughly(seconds: float) -> str:
    """A duration that nobody knows exactly: `40 s`, `12 min`, `3 h 20 min`."""
    if seconds < 100:
        return f"{max(1, float(f'{seconds:.1g}') if seconds < 10 else round(seconds, -1)):.0f} s"
    return time(max(120.0, seconds))


def time_with_interval(seconds: float, low: float, high: float) -> str:
    """A duration and, where it was measured, its interval: `0.83 ms (0.81 ms to 0.85 ms)`."""
    if not (math.isfinite(low) and math.isfinite(high)):
        return time(seconds)
    return f"{time(seconds)} ({time(low)} to {time(high)})"


def estimated_time(seconds: float, low: float, high: float) -> str:
    """An estimate with its interval: `about 0.83 ms (0.7 ms to 1 ms), estimated`."""
    return f"about {time_with_interval(seconds, low, high)}, estimated"


def left(seconds: float) -> str:
    """How long something will still take, as roughly as that can be known."""
    return f"{max(1, round(seconds))} s left" if seconds < 100 else f"{time(seconds)} left"


def rate(images_per_s: float | None) -> str:
    """Images per second: whole numbers with thousands separators, three figures below 100."""
    if images_per_s is None or not math.isfinite(images_per_s):
        return UNKNOWN
    text = f"{images_per_s:,.0f}" if images_per_s >= 100 else _three(images_per_s)
    return f"{text} images/s"


def percent(value: float | None) -> str:
    """A share in percent with one decimal."""
    return UNKNOWN if value is None or not math.isfinite(value) else f"{value:.1f} %"


def millions(count: float | None) -> str:
    """A count in millions with three figures (`25.6 M`)."""
    return UNKNOWN if count is None or not math.isfinite(count) else f"{_three(count / 1e6)} M"


def billions(count: float | None) -> str:
    """A count in billions with three figures (`4.13 G`)."""
    return UNKNOWN if count is None or not math.isfinite(count) else f"{_three(count / 1e9)} G"


def mebibytes(size_bytes: float | None) -> str:
    """A size in MiB, whole (`1,204 MiB`)."""
    if size_bytes is None or not math.isfinite(size_bytes):
        return UNKNOWN
    return f"{size_bytes / 2**20:,.0f} MiB"


def points(difference: float | None) -> str:
    """A difference between percentages, with its sign (`+1.2 points`)."""
    if difference is None or not math.isfinite(difference):
        return UNKNOWN
    return f"{difference:+.1f} points"


def flags(names: Iterable[str] | None) -> str:
    """`noisy, launch bound`; `none` where there are none, or none can be known."""
    return ", ".join(() if names is None else names).replace("_", " ") or "none"


def counted(number: int, noun: str) -> str:
    """`1 model`, `2 models`, `1,193 models`."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def other_weights(number: int) -> str:
    """What a point says of the weights that share it: `and 4 others at this point`."""
    if number == 0:
        return "alone at this point"
    return f"and {number:,} other{'' if number == 1 else 's'} at this point"


# Streamlit's Markdown makes links of bare addresses, after escapes are undone; an invisible word
# joiner inside them keeps them text.
_ADDRESSES = (("://", ":\u2060//"), ("@", "\u2060@"), ("www.", "www\u2060."))


def escaped(text: str) -> str:
    """Text from a file or a person, as text in Streamlit's Markdown: never markup, never a link."""
    for address, harmless in _ADDRESSES:
        text = text.replace(address, harmless)
    return "".join(f"\\{c}" if c in r"\`*_{}[]()#+-.!|~<>$:&^=" else c for c in text)


@functools.lru_cache(maxsize=2**15)  # a rerun says the same figures as the one before
def _three(value: float) -> str:
    if value == 0:
        return "0"
    decimals = max(0, 2 - math.floor(math.log10(abs(value))))
    text = f"{value:,.{min(decimals, 4)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
