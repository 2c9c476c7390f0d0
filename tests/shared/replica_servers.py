"""Servers of one model, and requests that begin alike."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from mock_server import MockServer

from gristmill.models.contract import Request
from gristmill.prompts.library import data
from gristmill.storage.records import Message

URLS = tuple(f"http://host{number}:8000/v1" for number in range(5))


def about(document: int, question: int = 0, role: str = "") -> Request:
    """A question about a document, the document first."""
    text = f"Source text:\n{data(f'Document {document}. ' * 50)}\n\nQuestion {question}?"
    system = Message(role="system", content="You help to make training data.")
    return Request(messages=(system, Message(role="user", content=text)), role=role, sample=question)


@asynccontextmanager
async def serve(count: int, **options: Any) -> AsyncIterator[list[MockServer]]:
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(MockServer(**options)) for _ in range(count)]
