"""What a status other than 200 means: which error, how long to wait, and what the server said about it."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any

import orjson

from ..errors import AccessDenied, ModelError, Overloaded, RequestRefused
from .redact import redact

SHOWN = 300  # characters of the server's own words
RETRIED = frozenset({408, 409, 425, 429})
QUOTA = frozenset({"insufficient_quota", "billing_hard_limit_reached", "account_deactivated", "billing_not_active"})
MENDS = {
    400: "mend the request, or the model's `extra` and sampling",
    401: "check the key that api_key_env or api_key_file names",
    402: "top up the account",
    403: "check that the key may use this model",
    404: "check the model's name and base_url (it usually ends in /v1); `gristmill doctor` lists the models",
    413: "send less text at a time",
    422: "mend the request, or the model's `extra` and sampling",
}
DURATION = re.compile(r"(?:(\d{1,6}(?:\.\d{1,9})?)(ms|s|m|h|d))")
LIMITS = {
    "tokens": re.compile(r"\btokens? per min|\btokens_per_min|\bTPM\b|\btoken rate limit", re.IGNORECASE),
    "requests": re.compile(r"\brequests? per min|\brequests_per_min|\bRPM\b|\brequest rate limit", re.IGNORECASE),
}
SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def error_of(status: int, headers: Mapping[str, str], body: bytes, where: str) -> ModelError:
    """Returns the error for a reply with `status`. `where` names the model and its server."""
    text, codes = said(body)
    return by_status(status, headers, text, codes, where)


def by_status(status: int, headers: Mapping[str, str], text: str, codes: set[str], where: str) -> ModelError:
    """Returns the error for `status`, when the server's message and error codes are read already."""
    message = f"{where}: status {status}: {text or 'no reason given'}"
    if status in (401, 402, 403) or codes & QUOTA:
        return AccessDenied(f"{message}; {MENDS.get(status, 'the quota is spent: top up the account')}", status=status)
    if status >= 500 or status in RETRIED:
        busy = Overloaded(message, status=status, retry_after=retry_after(headers))
        if status == 429:
            busy.limit = limit_named(headers, text, codes)
        return busy
    if 300 <= status < 400:
        # Followed, it would carry the key to a place that nobody named.
        return RequestRefused(
            f"{message}; redirects are not followed: set base_url to the final address", status=status
        )
    return RequestRefused(f"{message}; {MENDS.get(status, 'the request itself is wrong')}", status=status)


def said(body: bytes) -> tuple[str, set[str]]:
    """Returns the server's message, short and without credentials, and its error codes."""
    try:
        return _read(orjson.loads(body))
    except (orjson.JSONDecodeError, RecursionError):  # no JSON, or nested deeper than Python can print
        return _short(body.decode("utf-8", "replace")), set()


def _read(found: Any) -> tuple[str, set[str]]:
    if isinstance(found, dict):
        error = found.get("error", found)
        if isinstance(error, dict):
            text = error.get("message") or error.get("detail") or error.get("msg") or error
            codes = {str(error[key]) for key in ("code", "type") if error.get(key)}
            return _short(text if isinstance(text, str) else repr(text)), codes
        return _short(str(error)), set()
    return _short(repr(found)), set()


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Returns the seconds that the server asks to wait, from Retry-After (RFC 9110) or the x-ratelimit headers."""
    if (value := headers.get("retry-after-ms")) and (seconds := number(value)) is not None:
        return seconds / 1000
    if value := headers.get("Retry-After"):
        if (seconds := number(value)) is not None:
            return seconds
        try:
            return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
        except (ValueError, TypeError, OverflowError):
            return None
    waits = []
    for kind in ("requests", "tokens"):
        # Only a limit that is used up is worth waiting for.
        if (value := headers.get(f"x-ratelimit-reset-{kind}")) and number(
            headers.get(f"x-ratelimit-remaining-{kind}", "0")
        ) in (0.0, None):
            waits.append(duration(value))
    if value := headers.get("x-ratelimit-reset"):
        waits.append(duration(value))
    return max((wait for wait in waits if wait is not None), default=None)


def limit_named(headers: Mapping[str, str], text: str, codes: set[str]) -> str:
    """Returns which rate a refusal names as passed, `tokens` or `requests`; "" where it names none, or a day's."""
    if "per day" in text:
        return ""
    found = {kind for kind in LIMITS if kind in codes}  # OpenAI: "type": "tokens"
    found |= {kind for kind, words in LIMITS.items() if words.search(text)}
    found = found or {kind for kind in LIMITS if number(headers.get(f"x-ratelimit-remaining-{kind}", "")) == 0.0}
    return found.pop() if len(found) == 1 else ""


def duration(value: str) -> float | None:
    """Reads `20ms`, `6m0s`, a number of seconds, or a Unix time."""
    if (seconds := number(value)) is not None:
        return max(0.0, seconds - time.time()) if seconds > 1e9 else seconds
    parts = DURATION.findall(value[:64])
    return sum(float(amount) * SECONDS[unit] for amount, unit in parts) if parts else None


def number(value: str) -> float | None:
    """Reads a number from 0 to below 10^12; None for anything else."""
    try:
        found = float(value)
    except ValueError:
        return None
    return found if 0 <= found < 1e12 else None


def _short(text: str) -> str:
    text = " ".join(redact(text).split())
    return text if len(text) <= SHOWN else text[:SHOWN] + "…"
