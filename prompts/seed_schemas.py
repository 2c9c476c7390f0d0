"""Answers to the prompts of recipes that start from seeds, labels or nothing. `schemas.py` has their base."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from .answers import Answer


class Drawn(Answer):
    """Answers `genqa-write`: the lists that the model made, what it took of them, and the pair that came of it."""

    topics: list[str] = Field(default_factory=list)
    topic: str = ""
    subtopics: list[str] = Field(default_factory=list)
    subtopic: str = ""
    question: str = Field(min_length=1)
    answer: str = Field(min_length=1)


class Instruction(Answer):
    """Answers `persona-write`, `codeclm-decode`, `codeclm-improve`, `refed-instruction` and `reverse-gen-query`."""

    instruction: str = Field(min_length=1)


class InstructionResponse(Answer):
    """Answers `bare-refine`."""

    instruction: str = Field(min_length=1)
    response: str = Field(min_length=1)


class ClassText(Answer):
    """Answers `write-class-text`, `cotam-rewrite`, `targen-write`, `s3-write`, `s3-extrapolate`, `practice-write`."""

    text: str = Field(min_length=1)


class ClassLabel(Answer):
    """Answers `label-text`: the name of one class, as it was listed."""

    reason: str = ""
    label: str


class Classes(Answer):
    """Answers `similar-classes`."""

    classes: list[str]


class Attributes(Answer):
    """Answers `cotam-decompose`."""

    attributes: list[str]


class Switch(Answer):
    """Answers `cotam-propose`."""

    changes: list[str]


class Contexts(Answer):
    """Answers `targen-contexts`."""

    contexts: list[str]


class InstanceSeeds(Answer):
    """Answers `targen-seeds`."""

    seeds: list[str]


class Metadata(Answer):
    """Answers `codeclm-encode`; of more skills than the paper has, the first three count."""

    use_case: str = Field(min_length=1)
    skills: Annotated[list[str], AfterValidator(lambda listed: listed[:3])] = Field(default_factory=list)


class Ratings(Answer):
    """Answers `compare-responses`: marks from 0 to 10."""

    reason: str = ""
    first: float = Field(ge=0, le=10)
    second: float = Field(ge=0, le=10)


class ReferenceFeedback(Answer):
    """Answers `refed-feedback`."""

    instruction_feedback: list[str] = Field(min_length=1)
    response_feedback: list[str] = Field(min_length=1)


class Improved(Answer):
    """Answers `refed-refine`."""

    response: str = Field(min_length=1)


class Requirements(Answer):
    """Answers `datatune-expand`."""

    requirements: list[str] = Field(min_length=1)


class Columns(Answer):
    """Answers `datatune-columns`. `suitable` is false when no column serves the task."""

    suitable: bool = True
    columns: list[str] = Field(default_factory=list)


class Plan(Answer):
    """Answers `datatune-plan`: steps that turn a row into an example. `suitable` is false when none can."""

    suitable: bool = True
    plan: list[str] = Field(default_factory=list)


class Transformed(Answer):
    """Answers `datatune-execute`. `usable` is false for a row that cannot be transformed."""

    usable: bool = True
    instruction: str = ""
    response: str = ""
