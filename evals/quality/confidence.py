"""How sure a model is of an answer, by asking it again and by asking it about itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean

from ...errors import ConfigError, ModelError
from ...prompts.schemas import AnswerCheck, ShortAnswer
from ..answers import same_answer
from ..asking import Asker, Question, failures
from ..figure import Figure
from ..intervals import mean_figure

SAMPLES = 5
WEIGHT = 0.7  # of observed consistency, as in the paper
ALIKE = 0.8  # of graded likeness beside equality, as in the paper
FRAMINGS = ("plain", "doubt")
CERTAINTY = {"correct": 1.0, "unsure": 0.5, "incorrect": 0.0}


@dataclass(frozen=True, slots=True)
class Asked:
    """A question with the answer in doubt; `passage` is what it is to be answered from, if anything."""

    question: str
    answer: str
    passage: str = ""


@dataclass(frozen=True, slots=True)
class Confidence:
    """The confidence in one answer, its two parts, and the answers that were drawn."""

    value: float
    consistency: float
    certainty: float
    drawn: tuple[str, ...]


def consistency(
    answer: str,
    drawn: Sequence[str],
    *,
    same: Callable[[str, str], bool] = same_answer,
    likeness: Callable[[str, str], float] | None = None,
) -> float | None:
    """How far `drawn` answers agree with `answer`: the mean over them, in [0, 1]; None of no drawn answer.

    An answer that is the `same` counts 1, another 0; with `likeness` 0.8 of it and 0.2 of equality, as Chen and Mueller
    weigh an entailment model's word. Beware of likeness by wording: "in 1742" is much like "in 1743".
    """
    if not drawn:
        return None
    equal = [float(same(one, answer)) for one in drawn]
    if likeness is None:
        return fmean(equal)
    graded = [min(1.0, max(0.0, likeness(one, answer))) for one in drawn]
    return fmean(ALIKE * value + (1 - ALIKE) * match for value, match in zip(graded, equal, strict=True))


async def confidence(
    items: Sequence[Asked],
    asker: Asker,
    *,
    samples: int = SAMPLES,
    weight: float = WEIGHT,
    temperature: float = 1.0,
    same: Callable[[str, str], bool] = same_answer,
    likeness: Callable[[str, str], float] | None = None,
) -> tuple[list[Figure], list[Confidence | None]]:
    """Confidence in given answers: observed consistency and self-reflection.

    BSDetector (Chen and Mueller 2023, arXiv:2308.16175): the model answers the question `samples` times, each draw with
    a sample number of its own, so a cache keeps them apart; then it is asked twice, in two framings, whether the given
    answer is right (correct 1, unsure 1/2, incorrect 0). Confidence = weight x consistency + (1 - weight) x certainty.

    Returns:
        `confidence`, `consistency`, `certainty` (means, shares, Student's intervals), and for each item its confidence;
        None where all its draws or both its checks failed.

    Cost: `samples` + 2 calls an item. A model that is consistently wrong is confident: this finds items that a model
    cannot answer steadily, not all that are wrong. The model that wrote the answer is the wrong one to ask alone.

    Raises:
        ConfigError: fewer than 1 sample, or a weight outside [0, 1]; AccessDenied, ServerLost, BudgetExceeded.
    """
    if samples < 1 or not 0 <= weight <= 1:
        raise ConfigError(f"confidence by {samples} samples and a weight of {weight}; give 1 or more, and 0 to 1")
    draws = [
        Question("answer-question", {"question": item.question, "passage": item.passage}, number, temperature)
        for item in items
        for number in range(1, samples + 1)
    ]
    checks = [
        Question(
            "check-answer",
            {"question": item.question, "answer": item.answer, "passage": item.passage, "framing": framing},
        )
        for item in items
        for framing in FRAMINGS
    ]
    answers = await asker.ask_all(draws, ShortAnswer)
    verdicts = await asker.ask_all(checks, AnswerCheck)
    found: list[Confidence | None] = []
    for place, item in enumerate(items):
        mine = answers[place * samples : (place + 1) * samples]
        drawn = tuple(one.answer for one in mine if not isinstance(one, ModelError))
        said = verdicts[place * len(FRAMINGS) : (place + 1) * len(FRAMINGS)]
        sure = [CERTAINTY[one.verdict] for one in said if not isinstance(one, ModelError)]
        agreed = consistency(item.answer, drawn, same=same, likeness=likeness)
        if agreed is None or not sure:
            found.append(None)
            continue
        found.append(Confidence(weight * agreed + (1 - weight) * fmean(sure), agreed, fmean(sure), drawn))
    note = failures([*answers, *verdicts])
    known = [one for one in found if one is not None]
    parts = {
        "confidence": [one.value for one in known],
        "consistency": [one.consistency for one in known],
        "certainty": [one.certainty for one in known],
    }
    return [
        mean_figure(name, values, unit="share", note=note, least=0.0, most=1.0) for name, values in parts.items()
    ], found
