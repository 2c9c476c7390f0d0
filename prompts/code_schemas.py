"""Answers to the prompts of recipes that write programs. `schemas.py` has their base."""

from __future__ import annotations

from pydantic import Field

from .answers import Answer


class Offspring(Answer):
    """Answers `genetic-crossover`: new instructions, of which each task takes one."""

    instructions: list[str]


class Mutant(Answer):
    """Answers `genetic-mutate`."""

    instruction: str = Field(min_length=1)


class Observations(Answer):
    """Answers `plansearch-observe`."""

    observations: list[str]


class Derived(Answer):
    """Answers `plansearch-derive`: observations that follow from others."""

    derived: list[str]


class Approach(Answer):
    """Answers `plansearch-plan`."""

    plan: str = Field(min_length=1)


class MendedApproach(Answer):
    """Answers `plansearch-mend`: what is wrong with a plan, and the plan without that."""

    critique: str = ""
    plan: str = Field(min_length=1)


class SameIdea(Answer):
    """Answers `same-idea`."""

    reason: str = ""
    same: bool
