"""Reads keys from an environment variable or a named file, and holds them so that they cannot slip out."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NoReturn

from ..errors import ConfigError
from .redact import MARK, register

LEAST = 12  # characters of a credential in the environment; shorter values may be words that logs need
LARGEST = 16_384  # bytes of a key file; a longer file is not a key


class Secret:
    """A credential. Only `reveal()` gives it out: printing, formatting, pickling and copying into JSON do not."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value
        register(value)

    def reveal(self) -> str:
        """Returns the credential itself, for a request's header and nothing else."""
        return self._value

    def __bool__(self) -> bool:
        return bool(self._value)

    def __repr__(self) -> str:
        return f"Secret({MARK})"

    def __str__(self) -> str:
        return MARK

    def __format__(self, spec: str) -> str:
        return MARK

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Secret is never serialised; pass the name of its environment variable instead")


def read_key(env: str | None, file: str | None) -> Secret | None:
    """Returns the key from the environment variable `env` or the file `file`; None when neither is named.

    Raises:
        ConfigError: both are named, the variable is not set, or the file cannot be read or holds no key.
    """
    if env and file:
        raise ConfigError(f"both api_key_env '{env}' and api_key_file '{file}' are set; keep one of them")
    if env:
        value = os.environ.get(env, "").strip()
        if not value:
            raise ConfigError(f"environment variable {env} is not set; run: export {env}=<your key>")
        return _checked(value, f"environment variable {env}")
    if file:
        path = Path(file).expanduser()
        try:
            with path.open("rb") as stream:
                body = stream.read(LARGEST + 1)
        except OSError as error:
            raise ConfigError(
                f"api_key_file {path} cannot be read ({error.strerror}); write the key into it, or name another file"
            ) from None
        if len(body) > LARGEST:
            raise ConfigError(f"api_key_file {path} is larger than {LARGEST} bytes, so it is no key; name another file")
        return _checked(body.decode("utf-8", "replace").strip(), f"api_key_file {path}")
    return None


def know_environment() -> None:
    """Makes every credential that stands in the environment known to `redact`, for libraries that read them there."""
    for name, value in os.environ.items():
        if name.upper().endswith(("_KEY", "_TOKEN", "_SECRET", "_PASSWORD")) and len(value) >= LEAST:
            register(value)


def _checked(value: str, source: str) -> Secret:
    # Anything else could not go into an HTTP header; the message must not show the value.
    if not value:
        raise ConfigError(f"{source} is empty; it must hold the key and nothing else")
    if not value.isascii() or not value.isprintable() or " " in value:
        raise ConfigError(f"{source} does not hold one key: it has spaces, line breaks or non-ASCII characters")
    return Secret(value)
