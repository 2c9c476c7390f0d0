"""What keeps a test to this machine and away from the user's credentials."""

from __future__ import annotations

import ipaddress
from typing import Any

KEYS = ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY", "MISTRAL_API_KEY", "GROQ_API_KEY", "HF_TOKEN")
PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
CANARY = "canary-do-not-print"


class NetworkTouched(AssertionError):
    """A test connected to another machine. Not an OSError: no client may take it for a server that is down."""


def is_loopback(address: Any) -> bool:
    """Whether a socket address (a path, or host and port) stays on this machine."""
    if not isinstance(address, tuple):
        return True
    try:
        return ipaddress.ip_address(str(address[0]).split("%")[0]).is_loopback
    except ValueError:
        return address[0] == "localhost"
