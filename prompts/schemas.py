"""What each built-in prompt is answered with. A prompt's front matter names one of these as its `schema`.

They keep to what strict structured output allows everywhere: no free-form maps, no unions, every field required or
defaulted to an empty value. Quotes are verbatim text from the source; a caller locates them and never trusts them.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import Field

from .answers import Answer
from .code_schemas import *  # noqa: F403  # prompts name them here
from .document_schemas import *  # noqa: F403  # prompts name them here
from .point_schemas import *  # noqa: F403  # prompts name them here
from .reasoning_schemas import *  # noqa: F403  # prompts name them here
from .rows import Shape
from .search_schemas import *  # noqa: F403  # prompts name them here
from .seed_schemas import *  # noqa: F403  # prompts name them here
from .student_schemas import *  # noqa: F403  # prompts name them here


class ExtractedEntity(Answer):
    """On the wire `[name, type, description, "attribute: value", ...]`."""

    name: str = ""
    type: str = ""
    description: str = ""
    quote: str = ""
    attributes: list[str] = Field(default_factory=list)


class ExtractedRelation(Answer):
    """On the wire `[source, target, type, quote, "qualifier: value", ...]`."""

    source: str = ""
    target: str = ""
    type: str = ""
    quote: str = ""
    description: str = ""
    qualifiers: list[str] = Field(default_factory=list)


class ExtractedClaim(Answer):
    """On the wire `[entity, quote, "qualifier: value", ...]`."""

    entity: str = ""
    quote: str = ""
    text: str = ""
    qualifiers: list[str] = Field(default_factory=list)


ENTITY: Final = Shape(places=("name", "type", "description"), named=("quote",), rest="attributes")
RELATION: Final = Shape(places=("source", "target", "type", "quote"), named=("description",), rest="qualifiers")
CLAIM: Final = Shape(places=("entity", "quote"), named=("text",), rest="qualifiers")


class ExtractedGraph(Answer):
    """Answers `extract-graph`, in rows (`prompts/rows.py`); details are `name: value`."""

    # A record without a name is no error here: extraction drops and counts it, and keeps the others.
    entities: Annotated[list[ExtractedEntity], *ENTITY.rows]
    relations: Annotated[list[ExtractedRelation], *RELATION.rows] = Field(default_factory=list)
    claims: Annotated[list[ExtractedClaim], *CLAIM.rows] = Field(default_factory=list)


class Summary(Answer):
    """Answers `summarise-entity`."""

    summary: str = Field(min_length=1)


class Statements(Answer):
    """Answers `state-fact`."""

    true: list[str]
    false: list[str]


class SameEntity(Answer):
    """Answers `same-entity`."""

    reason: str = ""
    decision: Literal["same", "different", "unsure"]
    confidence: float = Field(default=1.0, ge=0, le=1)


class Proposal(Answer):
    """Answers `propose-question`. `suitable` is false when the passage cannot carry a question of this kind."""

    suitable: bool
    topic: str = ""
    quote: str = ""
    angle: str = ""


class QuestionAnswer(Answer):
    """Answers `write-question-answer` and `edit-question-answer`. `evidence` holds verbatim quotes."""

    question: str = Field(min_length=1)
    answer: str = Field(min_length=1)
    evidence: list[str] = Field(default_factory=list)


class Score(Answer):
    name: str
    value: float = Field(ge=0, le=1)


class Judgement(Answer):
    """Answers every `judge-*` prompt. `reasons` are codes from the prompt's list; `evidence` holds verbatim quotes."""

    decision: Literal["accept", "revise", "reject"]
    scores: list[Score] = Field(default_factory=list)
    reasons: list[str] = Field(default_factory=list)
    comment: str = ""
    evidence: list[str] = Field(default_factory=list)


class Suggestions(Answer):
    """Answers `suggest-edits`."""

    suggestions: list[str]


class Rubrics(Suggestions):
    """Answers `codeclm-rubrics`: what an instruction is judged by; `suggestions` are actions, one for each rubric."""

    rubrics: list[str] = Field(default_factory=list)


class PassageQuestion(Answer):
    question: str = Field(min_length=1)
    answer: str = Field(min_length=1)


class Passage(Answer):
    """Answers `write-entity-passage` and `revise-entity-passage`."""

    title: str = ""
    text: str = Field(min_length=1)
    questions: list[PassageQuestion] = Field(default_factory=list)
    evidence: list[str] = Field(default_factory=list)


class Problem(Answer):
    """Answers `write-problem`. `needs` names the knowledge points that the problem cannot be solved without."""

    problem: str = Field(min_length=1)
    needs: list[str] = Field(default_factory=list)


class Solution(Answer):
    """Answers `solve-problem`. `answer` is the final answer alone, `evidence` holds verbatim quotes."""

    reasoning: str = ""
    answer: str = Field(min_length=1)
    evidence: list[str] = Field(default_factory=list)


class RubricScore(Answer):
    name: str
    reason: str = ""
    value: float


class RubricScores(Answer):
    """Answers `score-by-rubric`: one score a criterion, on the rubric's own scale."""

    scores: list[RubricScore]


class Comparison(Answer):
    """Answers `compare-two-texts`."""

    reason: str = ""
    better: Literal["first", "second", "tie"]


class Difference(Answer):
    name: str = Field(min_length=1)
    description: str = ""


class Differences(Answer):
    """Answers `name-differences`."""

    criteria: list[Difference]


class Group(Answer):
    reason: str = ""
    members: list[int]


class Groups(Answer):
    """Answers `group-texts`. `members` are the numbers that the texts were shown with, from 1."""

    groups: list[Group]


class GroupCheck(Answer):
    """Answers `check-group`."""

    reason: str = ""
    valid: bool


class ShortAnswer(Answer):
    """Answers `answer-question`: the final answer alone."""

    answer: str = Field(min_length=1)


class AnswerCheck(Answer):
    """Answers `check-answer`."""

    reason: str = ""
    verdict: Literal["correct", "incorrect", "unsure"]


class Dimension(Answer):
    name: str = Field(min_length=1)
    description: str = ""


class Dimensions(Answer):
    """Answers `propose-dimensions`."""

    dimensions: list[Dimension]


class Values(Answer):
    """Answers `propose-values` and `shared-values`."""

    values: list[str]


class Personas(Answer):
    """Answers `propose-personas` and `relate-persona`: a sentence a person."""

    personas: list[str]
