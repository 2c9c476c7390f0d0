"""Answers to the prompts of recipes whose items are verified by an answer, a program or a query."""

from __future__ import annotations

from pydantic import Field

from .answers import Answer


class SqlExample(Answer):
    """Answers `sense-write`: scripts that make tables and rows, a question over them, and the query that answers it."""

    tables: str = Field(min_length=1)
    rows: str
    question: str = Field(min_length=1)
    sql: str = Field(min_length=1)
