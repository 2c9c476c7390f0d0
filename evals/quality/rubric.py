"""Rubrics as data, and a model that scores texts by them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from ...errors import ConfigError, ModelError
from ...prompts.schemas import RubricScores
from ..asking import Asker, Question, failures
from ..figure import Figure
from ..intervals import mean_figure


@dataclass(frozen=True, slots=True)
class Criterion:
    """One thing to score: a name, the question that it asks, and what some scores mean, lowest first."""

    name: str
    question: str
    anchors: tuple[tuple[float, str], ...] = ((1, "not at all"), (3, "partly"), (5, "fully"))

    def __post_init__(self) -> None:
        scores = [score for score, _ in self.anchors]
        if len(scores) < 2 or any(left >= right for left, right in pairwise(scores)):
            raise ConfigError(f"criterion '{self.name}' has the anchors {scores}; give at least two, rising")
        if not self.name.strip() or not self.question.strip():
            raise ConfigError(f"criterion '{self.name}' lacks a name or a question")

    def share(self, score: float) -> float | None:
        """Where `score` lies between the lowest and the highest anchor, in [0, 1]; None where it lies outside."""
        low, high = self.anchors[0][0], self.anchors[-1][0]
        return (score - low) / (high - low) if math.isfinite(score) and low <= score <= high else None


@dataclass(frozen=True, slots=True)
class Rubric:
    """What texts are scored by."""

    name: str
    criteria: tuple[Criterion, ...]

    def __post_init__(self) -> None:
        names = [one.name for one in self.criteria]
        if not names or len(set(names)) < len(names):
            raise ConfigError(f"rubric '{self.name}' has the criteria {names}; give at least one, each name once")

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Rubric:
        """Reads a rubric as TOML or JSON holds it.

            name = "quality"
            [[criteria]]
            name = "clarity"
            question = "Can the text be understood without the source?"
            anchors = [[1, "no"], [5, "at once"]]

        Raises:
            ConfigError: a key is missing, unknown or of the wrong shape; names it.
        """
        try:
            criteria = []
            for one in data["criteria"]:
                given = dict(one)
                if "anchors" in given:
                    given["anchors"] = tuple((float(score), str(said)) for score, said in given["anchors"])
                criteria.append(Criterion(**given))
            return cls(str(data["name"]), tuple(criteria))
        except (KeyError, TypeError, ValueError) as error:
            raise ConfigError(f"the rubric cannot be read: {error}; see docs/evals.md for its shape") from error


QUALITY = Rubric(
    "quality",
    (
        Criterion(
            "clarity",
            "Can the text be understood by itself?",
            ((1, "cannot be understood"), (3, "understood with effort or guessing"), (5, "clear at the first reading")),
        ),
        Criterion(
            "usefulness",
            "Would somebody learn from the text?",
            ((1, "says nothing"), (3, "says what most readers know"), (5, "says something worth knowing, completely")),
        ),
        Criterion(
            "difficulty",
            "How much thought does the text take or show?",
            ((1, "none: a copy or a triviality"), (3, "one step"), (5, "several steps that build on each other")),
        ),
    ),
)  # fmt: skip


async def rubric_scores(
    texts: Sequence[str],
    asker: Asker,
    rubric: Rubric = QUALITY,
    *,
    prompt: str = "score-by-rubric",
) -> tuple[list[Figure], list[dict[str, float] | None]]:
    """Has each text scored by a rubric, all criteria in one call.

    Judge scores as in MT-Bench (Zheng et al. 2023, arXiv:2306.05685), with anchors. Scores are moved to [0, 1] by the
    lowest and the highest anchor; a score outside them is none.

    Returns:
        For each criterion `RUBRIC_CRITERION` (mean share, Student's interval), and for each text its shares by
        criterion, None where its call failed.

    Cost: one call a text. A judge's scores crowd at the top of the scale; to tell good from better use `compare`.
    """
    listed = [
        {
            "name": one.name,
            "question": one.question,
            "anchors": [{"score": f"{s:g}", "said": t} for s, t in one.anchors],
        }
        for one in rubric.criteria
    ]
    answers = await asker.ask_all(
        [Question(prompt, {"criteria": listed, "text": text}) for text in texts], RubricScores
    )
    by_text = [None if isinstance(one, ModelError) else _shares(rubric, one) for one in answers]
    found = []
    for criterion in rubric.criteria:
        values = [one[criterion.name] for one in by_text if one is not None and criterion.name in one]
        unread = sum(one is not None for one in by_text) - len(values)
        note = "; ".join(filter(None, [failures(answers), f"{unread} without a score in range" if unread else ""]))
        name = f"{rubric.name}_{criterion.name}"
        found.append(mean_figure(name, values, unit="share", note=note, least=0.0, most=1.0))
    return found, by_text


def _shares(rubric: Rubric, answer: RubricScores) -> dict[str, float]:
    given = {one.name: one.value for one in answer.scores}
    shares = {one.name: one.share(given[one.name]) for one in rubric.criteria if one.name in given}
    return {name: share for name, share in shares.items() if share is not None}
