"""How long texts are, and in how many steps they reason."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from statistics import median, quantiles

from ...errors import ConfigError, require_texts, what_is
from ..figure import Figure
from ..folding import words
from ..intervals import mean_figure
from ..segments import segments

_MARKED = re.compile(
    r"^[ \t>*_#]{0,8}(?:step[ \t]{1,4}\d{1,3}\b|\d{1,3}[.)][ \t]|[-*+\u2022][ \t]|\(?[a-z]\)[ \t])",
    re.IGNORECASE | re.MULTILINE,
)
_SAYS = re.compile(r"(?!\(?\w{1,2}[.)]\Z).*\w", re.DOTALL)  # more than the mark of an item, cut off by a full stop


def lengths(texts: Sequence[str], tokens: Callable[[str], int] | None = None) -> list[Figure]:
    """Mean, median and the 5th and 95th percentile of characters and words; of tokens where a counter is given.

    Characters are Unicode code points as they stand; words are folded (`evals.folding`), and in scripts without spaces
    each character is one. Nothing here guesses at tokens: give the counter of the model that will be trained
    (`lambda text: len(tokenizer.encode(text))`).

    Returns:
        `length_UNIT`, `length_UNIT_median`, `length_UNIT_p5`, `length_UNIT_p95` for each unit. The mean has Student's
        interval, as a sample of what the same source would give. An empty text counts with length 0.

    Cost: linear; 2 s for 100,000 texts of 60 words, and the counter's.
    """
    texts = require_texts("texts", texts)
    if tokens is not None and not callable(tokens):
        raise ConfigError(f"tokens is {what_is(tokens)}; give a function that counts the tokens of a text")
    found = _of("characters", [len(text) for text in texts])
    found += _of("words", [len(words(text)) for text in texts])
    return found + (_of("tokens", [tokens(text) for text in texts]) if tokens else [])


def step_count(text: str) -> int:
    """How many steps a reasoning has; 0 of a text without a word.

    Marked steps where there are at least two: lines that begin with "Step 3", "3.", "3)", "(c)" or a bullet. Otherwise
    its sentences (`evals.segments`: headings, rows of tables and lines of code count as one each). An upper bound of
    inferences, not a measure of depth: a sentence may repeat the one before.
    """
    marked = len(_MARKED.findall(text))
    if marked >= 2:
        return marked
    return sum(_SAYS.match(text[start:end]) is not None for start, end in segments(text))


def reasoning_steps(texts: Sequence[str]) -> list[Figure]:
    """Mean, median and percentiles of `step_count`, as `lengths` gives them: `steps`, `steps_median` and so on.

    Unit: steps. Cost: about 3 s for 100,000 texts of 60 words.
    """
    return _of("steps", [step_count(text) for text in require_texts("texts", texts)], prefix="")


def _of(unit: str, counts: Sequence[int], prefix: str = "length_") -> list[Figure]:
    name = prefix + unit
    names = (name, f"{name}_median", f"{name}_p5", f"{name}_p95")
    if not counts:
        return [Figure(one, None, unit, note="no text") for one in names]
    empty = counts.count(0)
    note = f"{empty:,} of length 0" if empty else ""
    cuts = quantiles(counts, n=20, method="inclusive") if len(counts) > 1 else [float(counts[0])] * 19
    rest = zip(names[1:], (median(counts), cuts[0], cuts[-1]), strict=True)
    return [
        mean_figure(name, counts, unit=unit, note=note, least=0.0),
        *(Figure(one, float(value), unit, of=len(counts)) for one, value in rest),
    ]
