"""Secrets of known shapes: keys, tokens, private keys.

The shapes are those of `detect-secrets` (of the extra `pii`), run by RE2, since some of them take a hostile text's
square on Python's own engine; those that RE2 cannot run are left out. Beside them stand the shapes of keys that came
after its last release, as their makers publish them. Nothing is ever sent anywhere to see whether a key works.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from functools import cache
from importlib import import_module
from typing import Any

from ..numeric import Lazy
from .patterns import compiled, found
from .sightings import Sighting

_LIBRARY = Lazy("detect_secrets.plugins.base", "detect-secrets", "pii")
# Without `artifactory`, which takes any word that begins with AP, and without those of key words and of entropy.
_PLUGINS = (
    *("aws", "azure_storage_key", "basic_auth", "cloudant", "discord", "github_token", "gitlab_token", "jwt"),
    *("mailchimp", "npm", "openai", "private_key", "pypi_token", "sendgrid", "slack", "softlayer", "square_oauth"),
    *("stripe", "telegram_token", "twilio"),
)
_NEWER = {
    "Anthropic API Key": r"\bsk-ant-[a-z0-9]{2,10}-[A-Za-z0-9_-]{40,200}",
    "GitHub Token": r"\bgithub_pat_[A-Za-z0-9]{22}_[A-Za-z0-9]{59}",
    "Google API Key": r"\bAIza[A-Za-z0-9_-]{35}",
    "Groq API Key": r"\bgsk_[A-Za-z0-9]{52}\b",
    "Hugging Face Token": r"\bhf_[A-Za-z0-9]{34}\b",
    "NVIDIA API Key": r"\bnvapi-[A-Za-z0-9_-]{60,80}",
    "OpenAI Token": r"\bsk-(?:proj|svcacct|admin)-[A-Za-z0-9_-]{40,200}",
    "xAI API Key": r"\bxai-[A-Za-z0-9]{70,90}\b",
}
_NOT_BEFORE_WORD = r"(?!\w)"


def secrets_in(text: str, _: Sequence[str] = ()) -> Iterator[Sighting]:
    """Yields the secrets in a text. Raises `ConfigError` where the extra is not installed."""
    for rule, expression in rules():
        for start, end, _found in found(expression, text):
            yield Sighting("secret", start, end, rule=rule)


@cache
def rules() -> tuple[tuple[str, Any], ...]:
    """Returns (name, compiled expression) of every rule."""
    base = _LIBRARY.RegexBasedDetector  # says which extra is missing
    known = [(name, compiled(expression)) for name, expression in _NEWER.items()]
    for plugin in _PLUGINS:
        module = import_module(f"detect_secrets.plugins.{plugin}")
        kinds: list[Any] = [kind for _, kind in inspect.getmembers(module, inspect.isclass)]
        for kind in kinds:
            if kind.__module__ == module.__name__ and issubclass(kind, base):
                for shape in kind.denylist:
                    expression = compiled(
                        shape.pattern.removesuffix(_NOT_BEFORE_WORD), ignore_case=bool(shape.flags & 2)
                    )
                    if expression is not None:
                        known.append((str(kind.secret_type), expression))
    return tuple(known)
