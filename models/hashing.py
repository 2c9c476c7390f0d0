"""Which replica of a model holds a request's prefix: the part that a server may have computed already.

A server keeps the attention state of a prompt's first tokens and reuses it for the next prompt that begins the same
way, and only from the first token on. So the key is the beginning of the prompt, and as little of it as tells two
documents apart: a longer key would spread the questions about one document over the replicas.

Rendezvous hashing (Thaler and Ravishankar 1998): each replica scores the key, the highest score wins. All workers agree
without talking to each other, and when a replica leaves only its own keys move, each to its second choice.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from .contract import Request

BEGINNING = 512  # characters of a text that has no data block
BLOCK = "<data-"  # how `prompts.library.data` opens a block of source text; its hash of the text follows
TAG = len(BLOCK) + 13  # the hash's 12 digits and `>`


def prefix_of(request: Request) -> str:
    """Returns what requests about one document share, or "" where nothing is to be gained from sharing.

    chat:       the leading system messages, then the next message up to and with the opening tag of its first data
                block. The tag carries a hash of the block's text, so it stands for the whole block. What precedents
                put before it (`Request.lead`) is left out: by them all documents would have one home.
    completion: the text up to and with that tag.
    embedding:  "": servers keep nothing of an input.

    A text without a data block counts by its first 512 characters.
    """
    if request.kind == "embedding":
        return ""
    if request.kind == "completion":
        return _beginning(request.text)
    parts = []
    for message in request.messages:
        if message.role != "system":
            parts.append(_beginning(message.content[request.lead if message.role == "user" else 0 :]))
            break
        parts.append(message.content)
    return "\x00".join(parts)


def ranked(prefix: str, labels: Sequence[str]) -> list[int]:
    """Returns the places of `labels` from the first choice for `prefix` to the last. The labels' order is no matter."""
    hashed = hashlib.blake2b(prefix.encode("utf-8", "surrogatepass"), digest_size=16)
    scores = []
    for label in labels:
        own = hashed.copy()
        own.update(b"\x00" + label.encode())
        scores.append(own.digest())
    return sorted(range(len(labels)), key=scores.__getitem__, reverse=True)


def _beginning(text: str) -> str:
    at = text.find(BLOCK)
    return text[:BEGINNING] if at < 0 else text[: at + TAG]
