"""Every error gristmill raises on purpose.

    GristmillError
    ├── ConfigError            a campaign, option or command line that cannot work; names the key and the mend
    │   ├── PromptError        a template that is missing, malformed, or asks for a variable nobody gives
    │   └── FlowError          a StateGraph that cannot run: unknown role or key, unreachable node, endless loop
    ├── DocumentError          one document that cannot be read; carries a reason code, the run goes on
    ├── StoreError             the run's store refused
    │   ├── NotStored          no record has the id that was asked for
    │   ├── RunLocked          another process holds the run
    │   ├── ReviewConflict     somebody else decided the item meanwhile
    │   ├── StoreAway          the database of the run does not answer; nothing committed is lost
    │   ├── RedisUnavailable   the fleet's Redis has not answered for longer than patience; nothing committed is lost
    │   └── StoreFull          the disk is full; nothing committed is lost
    ├── WorkersLost            a fleet has no worker left, or was told to drain; the campaign can be resumed
    ├── BudgetExceeded         the token, money or time budget is spent; the campaign stops and can be resumed
    └── ModelError             one model call failed
        ├── RequestRefused     4xx: the request itself is wrong, never retried
        │   └── AccessDenied   401, 403 or a spent quota: stops the campaign
        ├── Overloaded         429, 5xx, 408, 409: retried, honouring Retry-After
        ├── Unreachable        connection refused, reset or unresolvable: retried
        │   └── ServerLost     nothing for longer than `patience`: stops the campaign, which can be resumed
        ├── DeadlineExceeded   our own total deadline passed: retried
        └── BadReply           the server answered with something unusable: HTML, cut JSON, no choices, null content
            ├── Truncated      finish_reason was `length`
            └── SchemaMismatch the text does not parse into the schema asked for; carries the raw text

A message names the offending value and the mend. No message ever carries a credential.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from difflib import get_close_matches

FEW = 12  # names that a message lists; of more it says where they are listed


def meant(name: str, known: Collection[str], *, listed: str = "") -> str:
    """Returns what an error says behind a name that nothing has: the known name that is near it, and what there is.

    `listed` is where they are listed, a command or a folder: with more than `FEW` of them it stands in their place.
    """
    near = get_close_matches(str(name), sorted(known), n=1)
    said = f"; did you mean '{near[0]}'?" if near else ""
    if listed and len(known) > FEW:
        return f"{said} (all {len(known)}: {listed})"
    return f"{said} (there are: {', '.join(known) or 'none'})"


def what_is(value: object) -> str:
    """Returns what an error calls a value of a wrong type: itself where it is plain, else its type: a text may be a
    key."""
    if value is None or isinstance(value, bool | int | float):
        return repr(value)
    kind = value.__name__ if isinstance(value, type) else type(value).__name__
    return f"the class {kind}" if isinstance(value, type) else f"a {kind}"


def require_kind(name: str, value: object, kinds: type | tuple[type, ...], mend: str) -> None:
    """Raises `ConfigError` for a value given in Python that is of none of `kinds`; a bool is no number."""
    wanted = kinds if isinstance(kinds, tuple) else (kinds,)
    if not isinstance(value, wanted) or (isinstance(value, bool) and bool not in wanted):
        raise ConfigError(f"{name} is {what_is(value)}; {mend}")


def require_texts(name: str, texts: object) -> list[str]:
    """Returns a list of texts given in Python; raises `ConfigError` for one text alone, and for what is none."""
    if isinstance(texts, str):
        raise ConfigError(f"{name} is one text; give a list of texts")
    if isinstance(texts, bytes | Mapping) or not isinstance(texts, Iterable):
        raise ConfigError(f"{name} is {what_is(texts)}; give a list of texts")
    found = list(texts)
    for place, one in enumerate(found):
        if not isinstance(one, str):
            raise ConfigError(f"{name}[{place}] is {what_is(one)}; give texts, without those that are missing")
    return found


class GristmillError(Exception):
    """Base of every error that gristmill raises on purpose."""


class ConfigError(GristmillError):
    """A campaign, option or command line that cannot work."""


class PromptError(ConfigError):
    """A prompt template that is missing, malformed, or asks for a variable that nobody gives."""


class FlowError(ConfigError):
    """A StateGraph that cannot run as a flow."""


class DocumentError(GristmillError):
    """One document that cannot be read.

    `reason` is a stable code: `unreadable`, `empty`, `binary`, `encoding`, `unsupported`,
    `malformed`, `missing_extra`, `duplicate`, `too_large`.
    """

    def __init__(self, name: str, reason: str, detail: str) -> None:
        super().__init__(f"{name}: {reason}: {detail}")
        self.name = name
        self.reason = reason
        self.detail = detail


class StoreError(GristmillError):
    """The run's store refused an operation."""


class NotStored(StoreError):
    """No record of the run has the id that was asked for."""


class RunLocked(StoreError):
    """Another process holds the run's lock."""


class ReviewConflict(StoreError):
    """Somebody else decided the item meanwhile; nothing was stored. `item` is its id."""

    def __init__(self, message: str, item: str = "") -> None:
        super().__init__(message)
        self.item = item


class StoreAway(StoreError):
    """The database that keeps the run does not answer. What it committed is intact; asking again may be answered."""


class RedisUnavailable(StoreError):
    """The Redis that a fleet shares has not answered for longer than was to be waited. The store keeps its results."""


class StoreFull(StoreError):
    """The disk is full. The transaction was rolled back; everything committed before is intact."""


class WorkersLost(GristmillError):
    """A fleet has no worker left, or was told to drain. Stops the campaign, which can be resumed."""


class BudgetExceeded(GristmillError):
    """A budget is spent. `kind` is `tokens`, `usd` or `time`."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class ModelError(GristmillError):
    """One model call failed. `retry_after` is the server's own wish in seconds, when it gave one.

    `tokens` are the input and output tokens that the failed call was billed for, as far as the server said so, and
    `usd` is what they cost (the budget layer fills it in). `limit` is the rate that a 429 says was passed, `tokens` or
    `requests`; empty when it says neither.
    """

    reason = "model_error"
    retryable = False
    tokens: tuple[int, int] = (0, 0)
    usd: float = 0.0
    limit: str = ""

    def __init__(
        self, message: str, *, status: int | None = None, retry_after: float | None = None, raw: str | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after = retry_after
        self.raw = raw


class RequestRefused(ModelError):
    """The server says that the request itself is wrong (4xx). Never retried."""

    reason = "request_refused"


class AccessDenied(RequestRefused):
    """Wrong or missing credentials, or a spent quota. Stops the campaign: every further call would fail too."""

    reason = "access_denied"


class Overloaded(ModelError):
    """The server cannot take the request now (429, 5xx, 408, 409)."""

    reason = "overloaded"
    retryable = True


class Unreachable(ModelError):
    """No connection: refused, reset, unresolvable, or a TLS failure."""

    reason = "unreachable"
    retryable = True


class ServerLost(Unreachable):
    """The server has been gone for longer than its `patience`. Stops the campaign, which can be resumed."""

    reason = "server_lost"
    retryable = False


class DeadlineExceeded(ModelError):
    """The call's total deadline passed, however slowly the bytes still dripped."""

    reason = "deadline"
    retryable = True


class BadReply(ModelError):
    """The server said 200 and answered with something unusable. `raw` keeps what came."""

    reason = "bad_reply"
    retryable = True


class Truncated(BadReply):
    """The reply was cut at max_tokens (`finish_reason` is `length`)."""

    reason = "truncated"
    retryable = False


class SchemaMismatch(BadReply):
    """The reply's text does not parse into the schema that was asked for."""

    reason = "schema_mismatch"
    retryable = False
