"""A student that is trained: a classifier of texts, small enough to be made anew whenever it is needed.

TF-IDF of words and pairs of words, and a logistic regression over them (scikit-learn, of the extra `evals`). It is a
function of its examples and a seed, whatever order they come in, so it is never stored.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Self

from ...errors import ConfigError
from ..folding import words
from ..numeric import Lazy

TEXT = Lazy("sklearn.feature_extraction.text", "scikit-learn", "evals")
LINEAR = Lazy("sklearn.linear_model", "scikit-learn", "evals")
INVERSE_PENALTY = 10.0  # scikit-learn's C: of a few dozen examples its own 1.0 leaves every answer nearly even
STEPS = 1000


@dataclass(frozen=True, slots=True)
class Guess:
    """What a student says of a text: the likeliest label, and how unsure it is: the entropy of its probabilities over
    that of even ones, in [0, 1] (Shannon 1948, in the student's number of labels)."""

    label: str
    entropy: float


class Student:
    """A classifier that was taught; `labels` are those that it knows, sorted, `examples` is how many taught it.

    One that was taught a single label says it of every text and is sure of it.
    """

    def __init__(self, labels: Sequence[str], examples: int, words: Any = None, model: Any = None) -> None:
        self.labels = tuple(labels)
        self.examples = examples
        self._words, self._model = words, model

    @classmethod
    def taught(cls, examples: Iterable[tuple[str, str]], *, seed: int = 0) -> Self:
        """Teaches a student pairs of a text and its label.

        Cost: about a second for 5,000 texts of 60 words.

        Raises:
            ConfigError: there is no example, or no text of them has a word; or scikit-learn is not installed.
        """
        known = sorted(examples)  # the fit depends on the order in its last digits
        if not known:
            raise ConfigError("a student is to be trained and there is no example; give it labelled rows")
        labels = sorted({label for _, label in known})
        if not any(words(text) for text, _ in known):
            raise ConfigError(f"a student is to be trained and none of its {len(known)} examples has a word")
        if len(labels) == 1:
            return cls(labels, len(known))
        counter = TEXT.TfidfVectorizer(
            tokenizer=words, token_pattern=None, lowercase=False, ngram_range=(1, 2), sublinear_tf=True
        )
        found = counter.fit_transform([text for text, _ in known])
        model = LINEAR.LogisticRegression(
            C=INVERSE_PENALTY, class_weight="balanced", max_iter=STEPS, random_state=seed % 2**32
        )
        model.fit(found, [label for _, label in known])
        return cls(labels, len(known), counter, model)

    def guesses(self, texts: Sequence[str]) -> list[Guess]:
        """Returns what the student says of each text."""
        if self._model is None or not texts:
            return [Guess(self.labels[0], 0.0) for _ in texts]
        rows = self._model.predict_proba(self._words.transform(texts)).tolist()
        return [self._guess([float(share) for share in row]) for row in rows]

    def _guess(self, shares: Sequence[float]) -> Guess:
        best = max(range(len(shares)), key=shares.__getitem__)
        return Guess(str(self._model.classes_[best]), evenness(shares))


def evenness(shares: Sequence[float]) -> float:
    """The entropy of shares that add up to 1 over that of as many even ones; in [0, 1], 0 for a single share."""
    if len(shares) < 2:
        return 0.0
    found = -sum(share * math.log(share) for share in shares if share > 0) / math.log(len(shares))
    return min(1.0, max(0.0, found))


@dataclass(frozen=True, slots=True)
class Exam:
    """How a student did on gold: the share that it got right, and of each text that it got wrong its place and what it
    said."""

    accuracy: float
    wrong: tuple[tuple[int, str], ...]


def examine(student: Student, gold: Sequence[tuple[str, str]]) -> Exam:
    """Asks a student for the labels of gold texts.

    Raises:
        ConfigError: there is no gold text.
    """
    if not gold:
        raise ConfigError("a student is to be examined and there is no gold text; give it labelled rows")
    said = student.guesses([text for text, _ in gold])
    wrong = tuple(
        (place, guess.label)
        for place, (guess, (_, label)) in enumerate(zip(said, gold, strict=True))
        if guess.label != label
    )
    return Exam(1 - len(wrong) / len(gold), wrong)
