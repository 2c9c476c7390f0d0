"""Reads the rates that a server announces in the headers of its answers: `x-ratelimit-limit-tokens` and its siblings.

The names are OpenAI's, and other servers use them for other periods: a day, ten seconds. What is left and when it is
whole again tell the period, and only numbers that fit a minute are believed. A header may say anything: what does not
fit together is as good as silence.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from .contract import PerMinute
from .refusals import duration, number

PERIOD = (40.0, 90.0)  # seconds: a minute, with what rounding does to it
LEAST, MOST = 1.0, 1e10  # a minute; beyond it a number is nonsense, or no limit at all
PLAIN = re.compile(r"[0-9][0-9a-z.]{0,31}")  # `30000`, `6m0s`: anything else is not read further
LIMIT_REQUESTS, LIMIT_TOKENS = "x-ratelimit-limit-requests", "x-ratelimit-limit-tokens"


def announced(headers: Mapping[str, str]) -> PerMinute | None:
    """Returns the rates a minute that the headers announce, 0 for one that they do not; None where they announce none.

    Source: https://platform.openai.com/docs/guides/rate-limits, "Rate limits in headers".
    """
    if LIMIT_REQUESTS not in headers and LIMIT_TOKENS not in headers:
        return None
    limits = PerMinute(_limit(headers, "requests"), _limit(headers, "tokens"))
    return limits if limits.requests or limits.tokens else None


def _limit(headers: Mapping[str, str], kind: str) -> float:
    said = [headers.get(f"x-ratelimit-{what}-{kind}", "") for what in ("limit", "remaining", "reset")]
    if not all(map(PLAIN.fullmatch, said)):
        return 0.0
    limit, left, reset = number(said[0]), number(said[1]), duration(said[2])
    if limit is None or left is None or not reset or not LEAST <= limit <= MOST or left >= limit:
        return 0.0
    # A bucket that fills evenly is whole again after the missing share of its period.
    period = reset * limit / (limit - left)
    return limit if PERIOD[0] <= period <= PERIOD[1] else 0.0
