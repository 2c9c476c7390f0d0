"""What a rule is asked: the variables of a prompt, and the chance that its seed gives."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import orjson

from .judging import texts

SLIPS, WEAK_SLIPS = 0.2, 0.6
READ = 8_000  # characters of a text that are read


@dataclass(frozen=True)
class Asked:
    """One question to the model.

    seed: hangs on the sampling's seed and on which draw of the question this is, and on nothing else.
    weak: whether the weaker of the two models is asked: it says less, and slips more often.
    """

    prompt: str
    variables: Mapping[str, Any]
    seed: int = 0
    weak: bool = False

    @cached_property
    def rng(self) -> random.Random:
        """Chance that is the same for the same prompt, variables and seed. Judges and readers use none."""
        said = orjson.dumps(self.variables, default=str, option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS)
        drawn = b"%d %d %s %s" % (self.seed, self.weak, self.prompt.encode(), said)
        return random.Random(drawn)  # noqa: S311  # nothing secret hangs on it

    def text(self, name: str) -> str:
        """A variable as text, empty where it is absent."""
        return str(self.variables.get(name) or "")[:READ]

    def texts(self, name: str) -> list[str]:
        """A variable as a list of texts; one text is a list of one."""
        value = self.variables.get(name)
        return [value[:READ]] if isinstance(value, str) and value else [one[:READ] for one in texts(value)]

    def count(self, name: str = "count") -> int:
        """A variable as a number from 1 to 200."""
        value = self.variables.get(name)
        return min(200, max(1, value)) if isinstance(value, int) else 3

    def slips(self) -> bool:
        """Whether this answer is to be wrong, as a model's are at times: so that what finds errors has some to find."""
        return self.rng.random() < (WEAK_SLIPS if self.weak else SLIPS)
