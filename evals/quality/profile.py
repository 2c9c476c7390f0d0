"""The profile of a text: what can be counted of it, by name, and how far what was chosen has drifted in each.

After LLM See, LLM Do (Shimabucoro et al. 2024, arXiv:2407.01490): who chooses texts by one attribute moves others too.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from statistics import fmean
from types import MappingProxyType
from typing import Any

from ...errors import ConfigError
from ..diversity.lexical import mtld
from ..folding import words
from ..segments import segments

Metric = Callable[[str], float]
"""A text → a finite number. Nothing is asked of it but that: it need not be differentiable."""


def readability(text: str) -> float:
    """The grade of the Automated Readability Index (Smith and Senter 1967), made for English; higher is harder to read.

    4.71 letters and digits a word + 0.5 words a sentence - 21.43; 0 for a text without a word.
    """
    found = words(text)
    if not found:
        return 0.0
    letters = sum(character.isalnum() for word in found for character in word)
    return 4.71 * letters / len(found) + 0.5 * len(found) / _sentences(text) - 21.43


def distinct_words(text: str) -> float:
    """Different words over all words, in [0, 1]; falls with the length of a text."""
    found = words(text)
    return len(set(found)) / len(found) if found else 0.0


def _sentences(text: str) -> int:
    return max(1, len(segments(text)))


METRICS: Mapping[str, Metric] = MappingProxyType(
    {
        "characters": lambda text: float(len(text)),
        "words": lambda text: float(len(words(text))),
        "sentence_words": lambda text: len(words(text)) / _sentences(text),
        "mtld": lambda text: mtld(words(text)) or 0.0,
        "distinct_words": distinct_words,
        "readability": readability,
    }
)
"""The metrics that are there by name. Units: characters, words, words a sentence, words, share, grade."""


def metric_named(name: str) -> Metric:
    """Returns a metric by its name; raises `ConfigError` naming the nearest when there is none."""
    if name in METRICS:
        return METRICS[name]
    near = get_close_matches(name, METRICS, n=1)
    meant = f"; did you mean '{near[0]}'?" if near else ""
    raise ConfigError(
        f"no metric is called '{name}'{meant} (there are: {', '.join(METRICS)}; your own is 'module:function')"
    )


def profile(text: str, metrics: Mapping[str, Metric] = METRICS) -> dict[str, float]:
    """Returns what each metric says of a text.

    Raises:
        ConfigError: a metric raised, or gave no finite number; names it.
    """
    found = {}
    for name, metric in metrics.items():
        try:
            value = float(metric(text))
        except Exception as error:  # a user's metric may raise anything
            raise ConfigError(f"metric '{name}' raised {type(error).__name__}: {error}; mend it") from error
        if not math.isfinite(value):
            raise ConfigError(f"metric '{name}' gave {value} for {text[:60]!r}; it has to give a finite number")
        found[name] = value
    return found


def moved(fields: Mapping[str, Any]) -> dict[str, float]:
    """How far a chosen text lies from those that it was chosen among: for each metric its value less their mean.

    `fields` are a draft's as `agents.search.best_of` leaves them: `candidates`, each with a `profile`, and `chosen`,
    the place of one. Empty for a draft of another kind.
    """
    candidates, place = fields.get("candidates"), fields.get("chosen")
    if not isinstance(candidates, list | tuple) or not isinstance(place, int) or not 0 <= place < len(candidates):
        return {}
    known = [
        one["profile"] for one in candidates if isinstance(one, Mapping) and isinstance(one.get("profile"), Mapping)
    ]
    if len(known) < len(candidates):
        return {}
    return {
        name: value - fmean(one[name] for one in known)
        for name, value in known[place].items()
        if all(isinstance(one.get(name), int | float) for one in known)
    }
