"""How a campaign names a model: where it is, which key, how to sample, what it costs, how hard to push it."""

from __future__ import annotations

import difflib
from typing import Any
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator

from ..errors import ConfigError
from .contract import PerMinute, Sampling

OFFLINE = ("offline", "offline/weak")
PREFIXES = ("offline", "openai_api", "litellm", "vllm_engine")
OPENAI_URL = "https://api.openai.com/v1"


class ModelSpec(BaseModel):
    """A model of a campaign, as TOML or Python says it. An unknown key is an error.

    model:           `offline` or `offline/weak`, `openai_api/<name at the server>`, `litellm/<provider>/<name>` or
                     `vllm_engine/<name or path>`.
    base_url:        of an OpenAI-compatible server, with its `/v1`; unset, OpenAI's own (and OPENAI_API_KEY).
    base_urls:       in place of base_url, several servers of the same weights; a document's requests keep to one.
    api_key_env, api_key_file: where the key is. Keys themselves never stand in a campaign.
    temperature ... stop: defaults for requests that leave the choice open.
    extra:           goes into every request's body (`vllm_engine`: into its engine arguments).
    price_in, price_out: US dollars per million tokens.
    max_in_flight:   requests at a time at most, at each server; `timeout` seconds is each call's total deadline;
                     `retries` is how often a call that failed is made again; `repairs` how often an answer that does
                     not fit is asked again; `patience` how many seconds all servers may be gone before calls fail.
    requests_per_minute, tokens_per_minute: what each server allows, tokens in and out together; 0 where it is unknown
                     or unlimited. A fleet over Redis keeps to them together.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str
    base_url: str | None = None
    base_urls: tuple[str, ...] = ()
    api_key_env: str | None = None
    api_key_file: str | None = None
    temperature: float | None = Field(default=None, ge=0)
    top_p: float | None = Field(default=None, gt=0, le=1)
    max_tokens: int | None = Field(default=None, ge=1)
    stop: tuple[str, ...] = ()
    extra: dict[str, Any] = Field(default_factory=dict)
    price_in: float = Field(default=0.0, ge=0)
    price_out: float = Field(default=0.0, ge=0)
    max_in_flight: int = Field(default=128, ge=1, le=4096)
    requests_per_minute: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    tokens_per_minute: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    timeout: float = Field(default=120.0, gt=0)
    retries: int = Field(default=6, ge=0)
    repairs: int = Field(default=2, ge=0)
    patience: float = Field(default=300.0, ge=0)

    @field_validator("model")
    @classmethod
    def _known_prefix(cls, value: str) -> str:
        prefix, slash, name = value.partition("/")
        if prefix not in PREFIXES:
            near = difflib.get_close_matches(prefix, PREFIXES, n=1)
            hint = f"did you mean '{near[0]}{slash}{name}'? " if near else f"perhaps 'openai_api/{value}'? "
            raise ValueError(f"unknown model prefix '{prefix}' in '{value}'; {hint}known are {', '.join(PREFIXES)}")
        if value not in OFFLINE and (prefix == "offline" or not name):
            shape = " or ".join(f"'{one}'" for one in OFFLINE) if prefix == "offline" else f"'{prefix}/<name>'"
            raise ValueError(f"model '{value}' must have the form {shape}")
        return value

    @field_validator("base_url")
    @classmethod
    def _plain_url(cls, value: str | None) -> str | None:
        if value is None:
            return None
        parts = urlsplit(value)
        if parts.username or parts.password or parts.query or parts.fragment:
            # The value is not shown: what stands there may be a key.
            raise ValueError("base_url must not carry a user, password or query; name the key in api_key_env")
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"base_url '{value}' must look like http://localhost:8000/v1")
        return value.rstrip("/")

    @field_validator("base_urls")
    @classmethod
    def _plain_urls(cls, values: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        urls = tuple(cls._plain_url(value) or "" for value in values)
        if twice := sorted({url for url in urls if urls.count(url) > 1}):
            raise ValueError(f"it names {', '.join(twice)} more than once; name each server once")
        if urls and info.data.get("base_url") is not None:
            raise ValueError("base_url is set too; keep base_urls, with all servers in it")
        model = str(info.data.get("model", ""))
        if urls and model.startswith(("offline", "vllm_engine")):
            raise ValueError(f"'{model}' asks no server; leave base_urls out")
        return urls

    @classmethod
    def of(cls, value: str | dict[str, Any] | ModelSpec) -> ModelSpec:
        """Makes a spec of a model's name alone, or of a table; raises `ConfigError` naming key and mend."""
        if isinstance(value, ModelSpec):
            return value
        fields = {"model": value} if isinstance(value, str) else value
        try:
            return cls.model_validate(fields)
        except ValidationError as error:
            lines = []
            for one in error.errors(include_url=False, include_input=False):
                key = ".".join(str(part) for part in one["loc"])
                if one["type"] == "extra_forbidden":
                    near = difflib.get_close_matches(key, cls.model_fields, n=1)
                    meant = f"; did you mean '{near[0]}'?" if near else f"; known are {', '.join(cls.model_fields)}"
                    lines.append(f"model key '{key}' is unknown{meant}")
                else:
                    lines.append(f"model key '{key}': {one['msg'].removeprefix('Value error, ')}")
            raise ConfigError("; ".join(lines)) from None

    @property
    def backend(self) -> str:
        """The prefix: which back end answers."""
        return self.model.partition("/")[0]

    @property
    def served_name(self) -> str:
        """The model's name as its server knows it."""
        return self.model.partition("/")[2]

    @property
    def url(self) -> str:
        """The base URL that requests go to, the first of several; empty where the back end knows it by itself."""
        return self.base_url or (self.base_urls or (OPENAI_URL if self.backend == "openai_api" else "",))[0]

    @property
    def replicas(self) -> tuple[ModelSpec, ...]:
        """A spec for each of the servers; this one alone where there is one."""
        if not self.base_urls:
            return (self,)
        return tuple(self.model_copy(update={"base_url": url, "base_urls": ()}) for url in self.base_urls)

    @property
    def where(self) -> str:
        """The model and its server, for messages."""
        if len(self.base_urls) > 1:
            return f"model '{self.model}' at {len(self.base_urls)} servers"
        return f"model '{self.model}'" + (f" at {self.url}" if self.url else "")

    @property
    def key_env(self) -> str | None:
        """The environment variable of the key; OpenAI's own server has a usual one."""
        if self.backend == "openai_api" and not (self.base_url or self.base_urls or self.api_key_file):
            return self.api_key_env or "OPENAI_API_KEY"
        return self.api_key_env

    @property
    def rates(self) -> PerMinute:
        """What each server is said to allow."""
        return PerMinute(self.requests_per_minute, self.tokens_per_minute)

    @property
    def sampling(self) -> Sampling:
        """The defaults as a Sampling."""
        return Sampling(
            temperature=self.temperature,
            top_p=self.top_p,
            max_tokens=self.max_tokens,
            stop=self.stop,
            extra={} if self.backend == "vllm_engine" else dict(self.extra),
        )
