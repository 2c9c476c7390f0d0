"""Every provider that does not speak the openai protocol, through litellm (extra `litellm`).

It costs about twenty times the CPU of `openai_api` a call (2.9 ms), so a server that speaks the protocol belongs there.
litellm retries nothing here: the layers around this back end do.
"""

from __future__ import annotations

import asyncio
import importlib
import importlib.metadata
import os
import re
from time import perf_counter
from typing import Any

from ..errors import BadReply, ConfigError, DeadlineExceeded, ModelError, Unreachable
from .contract import Reply, Request
from .credentials import Secret, know_environment, read_key
from .redact import redact
from .refusals import QUOTA, by_status
from .spec import ModelSpec
from .wire import decode, encode

OLDEST = (1, 84)
STOLEN = frozenset({"1.82.7", "1.82.8"})  # these releases carried a credential stealer (OSV MAL-2026-2144)
SHOWN = 300


class LiteLLM:
    """The transport to one of litellm's models. `name` is `litellm/<provider>/<model>`.

    Without `key`, litellm reads the provider's usual environment variable.
    """

    def __init__(
        self, model: str, *, base_url: str | None = None, key: Secret | None = None, timeout: float = 120.0
    ) -> None:
        self.name = f"litellm/{model}"
        self.model = model
        self.base_url = base_url
        self.timeout = timeout
        self._key = key
        self._litellm = load()
        know_environment()

    @classmethod
    def of(cls, spec: ModelSpec) -> LiteLLM:
        """Makes the back end of `spec`; raises `ConfigError` when its key or litellm itself is missing."""
        key = read_key(spec.key_env, spec.api_key_file)
        return cls(spec.served_name, base_url=spec.base_url, key=key, timeout=spec.timeout)

    async def complete(self, request: Request) -> Reply:
        """Asks once; raises as `OpenAIApi.complete` does."""
        _, body = encode(request, self.model)
        library = self._litellm
        ask = {"chat": library.acompletion, "completion": library.atext_completion, "embedding": library.aembedding}
        if request.kind == "embedding":
            del body["encoding_format"]  # not every provider knows it, and numbers are what all send
            body["input"] = list(request.inputs)
        if self._key is not None:
            body["api_key"] = self._key.reveal()
        if self.base_url is not None:
            body["api_base"] = self.base_url
        started = perf_counter()
        try:
            async with asyncio.timeout(self.timeout):
                response = await ask[request.kind](**body, timeout=self.timeout, max_retries=0, num_retries=0)
            raw = response.model_dump_json().encode()
        except TimeoutError:
            raise DeadlineExceeded(f"{self.name}: no whole reply within {self.timeout:g} s; raise `timeout`") from None
        except Exception as error:  # litellm lets errors of every provider's code through
            raise self._typed(error) from None
        return decode(request, raw, perf_counter() - started)

    async def aclose(self) -> None:
        await self._litellm.close_litellm_async_clients()

    def _typed(self, error: Exception) -> ModelError:
        known = self._litellm.exceptions
        text = redact(f"{type(error).__name__}: {error}")[:SHOWN]
        if isinstance(error, known.Timeout):
            return DeadlineExceeded(f"{self.name}: {text}; raise `timeout`")
        # Some providers' code turns a refused connection into a status 500; the cause still says what it was.
        if isinstance(error, known.APIConnectionError) or "APIConnectionError" in _causes(error):
            return Unreachable(f"{self.name}: {text}; is the server up?")
        if isinstance(error, known.APIResponseValidationError):
            return BadReply(f"{self.name}: {text}")
        status = getattr(error, "status_code", None)
        if isinstance(error, known.PaymentRequiredError):
            status = 402
        if isinstance(status, int) and status >= 300:
            headers = getattr(getattr(error, "response", None), "headers", None) or {}
            codes = {code for code in QUOTA if code in str(error)}
            return by_status(status, headers, text, codes, self.name)
        return BadReply(f"{self.name}: litellm failed: {text}")


def _causes(error: BaseException) -> set[str]:
    names: set[str] = set()
    cause: BaseException | None = error
    while cause is not None and len(names) < 16:
        names.add(type(cause).__name__)
        cause = cause.__cause__ or cause.__context__
    return names


def load() -> Any:
    """Imports litellm, quietly and without its look at the network; raises `ConfigError` when it must not be used."""
    try:
        version = importlib.metadata.version("litellm")
    except importlib.metadata.PackageNotFoundError:
        raise ConfigError("models called litellm/... need litellm; run: pip install 'gristmill[litellm]'") from None
    check_version(version)
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # else it fetches a price list when imported
    library: Any = importlib.import_module("litellm")  # seconds and 130 MB, so only those pay who use it
    library.suppress_debug_info = True
    library.telemetry = False
    return library


def check_version(version: str) -> None:
    """Raises `ConfigError` for a release that stole credentials, and for one that is too old."""
    if version in STOLEN:
        raise ConfigError(
            f"litellm {version} carried a credential stealer (MAL-2026-2144) and must not be imported: uninstall it, "
            f"change every key that this machine has seen, then run: pip install 'gristmill[litellm]'"
        )
    found = re.match(r"(\d+)\.(\d+)", version)
    if found is None or (int(found[1]), int(found[2])) < OLDEST:
        raise ConfigError(f"litellm {version} is too old; run: pip install 'litellm>={OLDEST[0]}.{OLDEST[1]}'")
