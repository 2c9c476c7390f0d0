"""Asks a model many questions for a measure: rendered, parsed, a bounded number at a time, each failing alone.

Which layers stand around the model is the caller's business: calls are cached, counted and held to a budget by the
stack that is handed over, as a campaign's are.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pydantic import BaseModel

from ..errors import AccessDenied, ConfigError, ModelError, ServerLost
from ..models.contract import Model, Reply, Request, Sampling
from ..prompts.library import PromptLibrary

Answer = TypeVar("Answer", bound=BaseModel)
Thing = TypeVar("Thing")
Made = TypeVar("Made")


@dataclass(frozen=True, slots=True)
class Question:
    """One question: a prompt's name and variables. `sample` tells repeated draws apart; None of a temperature is the
    prompt's own."""

    prompt: str
    variables: Mapping[str, Any]
    sample: int = 0
    temperature: float | None = None


@dataclass(frozen=True)
class Asker:
    """A model with what it takes to ask it.

    `role` is the line in the books. `concurrency` is how many questions are on their way at once.
    """

    model: Model
    prompts: PromptLibrary = field(default_factory=PromptLibrary)
    role: str = "judge"
    concurrency: int = 16

    async def ask(self, question: Question, schema: type[Answer]) -> Answer:
        """Asks one question.

        Raises:
            ConfigError: the prompt is not answered in `schema`, or the model has no layer that parses answers.
            ModelError, BudgetExceeded: as the model raises them.
        """
        template = self.prompts.get(question.prompt)
        sampling = Sampling(
            temperature=template.temperature if question.temperature is None else question.temperature,
            max_tokens=template.max_tokens,
        )
        reply = await self.model.complete(
            Request(
                messages=template.render(question.variables),
                schema=template.schema,
                sampling=sampling,
                prompt=question.prompt,
                version=template.version,
                variables=question.variables,
                sample=question.sample,
                role=self.role,
            )
        )
        if not isinstance(reply.parsed, schema):
            raise ConfigError(
                f"prompt '{question.prompt}' was answered with {type(reply.parsed).__name__}, not {schema.__name__}; "
                f"give it `schema: {schema.__name__}` in its front matter, and its model the repair layer that parses"
            )
        return reply.parsed

    async def ask_all(self, questions: Sequence[Question], schema: type[Answer]) -> list[Answer | ModelError]:
        """Asks all; in place of an answer that failed stands its error.

        Raises:
            AccessDenied, ServerLost, BudgetExceeded, ConfigError: every further question would fail too; those on
                their way are given up.
        """
        return await self.each(questions, lambda question: self.ask(question, schema))

    async def complete(self, request: Request) -> Reply:
        """Hands a request to the model as it is."""
        return await self.model.complete(request)

    async def each(self, things: Sequence[Thing], work: Callable[[Thing], Awaitable[Made]]) -> list[Made | ModelError]:
        """Awaits `work` for each thing, `concurrency` at a time; see `ask_all` for what is raised."""
        if self.concurrency < 1:
            raise ConfigError(f"concurrency is {self.concurrency}; give at least 1")
        made: list[Made | ModelError | None] = [None] * len(things)
        waiting = iter(enumerate(things))

        async def worker() -> None:
            for place, thing in waiting:
                try:
                    made[place] = await work(thing)
                except (AccessDenied, ServerLost):
                    raise
                except ModelError as error:
                    made[place] = error

        workers = [asyncio.create_task(worker()) for _ in range(min(self.concurrency, max(1, len(things))))]
        try:
            await asyncio.gather(*workers)
        finally:
            for task in workers:
                task.cancel()
            await asyncio.gather(*workers, return_exceptions=True)
        return [one for one in made if one is not None]


def failures(answers: Sequence[object]) -> str:
    """A note on the answers that failed, by reason; empty where none did."""
    reasons: dict[str, int] = {}
    for one in answers:
        if isinstance(one, ModelError):
            reasons[one.reason] = reasons.get(one.reason, 0) + 1
    told = ", ".join(f"{reason}: {count}" for reason, count in sorted(reasons.items()))
    return f"{sum(reasons.values())} of {len(answers)} calls failed ({told})" if reasons else ""
