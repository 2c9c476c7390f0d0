"""A name as it is compared: its words without case, accents, spelling variants, titles and legal forms; its numbers.

A form is made from the name alone, so that the keys and scores of a reference never depend on what else was found.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

from ...agents.names import name_key, split_alias
from .wordlists import IRREGULAR, LEGAL, NUMBERS, OPPOSITES, PLACED, ROMAN, ROYAL, STOP, TITLES, american

_BRACKETS = re.compile(r"^([^()]{2,}?) ?\(([^()]+)\)$")
_DOTTED = re.compile(r"^(?:\w\.){2,9}$")
# Vowels of the scripts of South and South-East Asia are marks, which \w lacks: without them Rama and Rima are one.
_VOWELS = "".join(
    letter
    for letter in map(chr, (*range(0x780, 0x1D00), *range(0xA800, 0xAC00)))
    if unicodedata.category(letter) in {"Mn", "Mc"}
)
_LETTER = f"(?:[^\\W\\d_]|[{_VOWELS}])"
_WORD = re.compile(rf"\d+(?:[.,]\d+)*|{_LETTER}+(?:'{_LETTER}+)?|[+#%]+")
_OPTIONAL = "\u0780"  # below it: Latin, Greek, Cyrillic, Hebrew, Arabic, whose marks may be left out of a name
_ORDINAL = re.compile(r"(?<=\d)(?:st|nd|rd|th)\b", re.IGNORECASE)
_LETTERS = str.maketrans({"ø": "o", "ł": "l", "đ": "d", "æ": "ae", "œ": "oe", "ð": "d", "þ": "th", "\u0131": "i"})
MAX_ACRONYM = 8
ROMAN_SMALL = frozenset(word.casefold() for word in ROMAN)


@dataclass(frozen=True, slots=True)
class Form:
    """What of a name is compared.

    words:     content words in order, folded, in the singular, numbers as digits; without titles and legal forms.
    compact:   all of them without spaces.
    numbers:   the numbers among them: figures, years, ordinals, numerals. Names whose numbers differ are two things.
    letters:   single letters among them (vitamin A); not the first initial of a person.
    sides:     words that exclude others of their family (north, upper, male).
    acronym:   lower-case letters when the name is written as an acronym, else "".
    initials:  the acronyms that the name could have, with and without its small words.
    qualifier: what stands in parentheses behind it, folded: `planet` of `Mercury (planet)`.
    title:     whether a personal title was left out in front; `royal`, whether a given name follows it.
    """

    words: tuple[str, ...]
    compact: str
    numbers: frozenset[str]
    letters: frozenset[str]
    sides: frozenset[str]
    acronym: str
    initials: frozenset[str]
    qualifier: str
    title: bool
    royal: bool

    @property
    def bag(self) -> frozenset[str]:
        """The words without their order."""
        return frozenset(self.words)


@lru_cache(maxsize=262_144)
def form_of(name: str) -> Form:
    """Returns the form of a surface form; case tells acronyms and numerals from words."""
    text, _ = split_alias(name)
    qualifier = ""
    found = _BRACKETS.match(text)
    if found:
        text, qualifier = found[1], _fold(found[2])
    if text.count(",") == 1:  # Obama, Barack
        last, _, first = text.partition(", ")
        if " " not in last and first and first.replace(" ", "").replace(".", "").isalpha() and " " not in first:
            text = f"{first} {last}" if not first.isupper() else text
    dotted = "".join(text.split("."))
    if _DOTTED.match(text) or _DOTTED.match(f"{text}."):
        text = dotted
    raw = _WORD.findall(_ORDINAL.sub("", _fold_marks(text.replace("\u2019", "'"))))
    if len(raw) == 1 and raw[0].istitle() and raw[0].isalpha():  # Adams is not Adam
        small = [american(_fold(raw[0]))]
    else:
        small = [_word(word, last=place > 0) for place, word in enumerate(raw)]
    pairs = zip(small, raw, strict=True)
    kept = [(word, written) for word, written in pairs if word and not _carries_nothing(word, written)]
    title = royal = False
    while len(kept) > 1 and kept[0][0] in TITLES and kept[0][1][:1].isupper():
        title, royal = True, royal or kept[0][0] in ROYAL
        kept = kept[1:]
    while len(kept) > 1 and kept[-1][0] in LEGAL and kept[-1][1][:1].isupper():
        kept = kept[:-1]
    if len(kept) > 1 and kept[0][0] in PLACED and " of " in text:
        kept = kept[1:]
    words = tuple(word for word, _ in kept) or tuple(word for word in small if word)
    plain = "".join(raw)
    return Form(
        words=words,
        compact="".join(words),
        numbers=frozenset(word for word in words if word[0].isdigit()),
        letters=frozenset(word for word in words if len(word) == 1 and word.isalpha()),
        sides=frozenset(word for word in words if word in OPPOSITES),
        acronym=_acronym(text, plain),
        initials=_initials(raw),
        qualifier=qualifier,
        title=title,
        royal=royal,
    )


def said_words(text: str) -> frozenset[str]:
    """Returns the words of a description that carry something, folded as those of names are."""
    words = (_plain(word) for word in _WORD.findall(_fold(text)))
    return frozenset(word for word in words if len(word) > 2 and word not in STOP)


def _carries_nothing(word: str, written: str) -> bool:
    return word in STOP and not (len(word) == 1 and written.isupper())  # vitamin A keeps its letter


def _acronym(text: str, plain: str) -> str:
    plain = plain.removesuffix("s") if plain[:-1].isupper() and plain.endswith("s") else plain
    upper = sum(letter.isupper() for letter in plain)
    if " " in text.strip() or not 2 <= len(plain) <= MAX_ACRONYM or upper < 2 or 2 * upper <= len(plain):
        return ""
    return plain.casefold()


def _initials(raw: list[str]) -> frozenset[str]:
    words = [word.casefold() for word in raw if word[0].isalpha()]
    if not 2 <= len(words) <= 2 * MAX_ACRONYM:
        return frozenset()
    long = [word for word in words if word not in STOP]
    endings = [""]
    if raw[-1] in ROMAN or raw[-1].isdigit():  # WWII and WW2 of World War II, and never WWI
        words, long = ([word for word in some if word not in ROMAN_SMALL] for some in (words, long))
        endings = [raw[-1].casefold(), ROMAN.get(raw[-1], raw[-1])]
    found = {"".join(word[0] for word in some) + ending for some in (words, long) for ending in endings}
    return frozenset(one for one in found if 2 <= len(one) <= MAX_ACRONYM)


def _word(word: str, *, last: bool) -> str:
    if last and word in ROMAN:
        return ROMAN[word]
    if word[0].isdigit():
        return word.replace(",", "")
    word = _fold(word).removesuffix("'s").replace("'", "")
    return _plain(NUMBERS.get(word, word))


@lru_cache(maxsize=131_072)
def _plain(word: str) -> str:
    return american(IRREGULAR.get(word) or name_key(word) or word)


def _fold(text: str) -> str:
    return _fold_marks(text).casefold().translate(_LETTERS).strip()


def _fold_marks(text: str) -> str:
    if text.isascii():
        return text
    kept, letter = [], ""
    for piece in unicodedata.normalize("NFKD", text):
        if not unicodedata.combining(piece):
            letter = piece
        elif letter < _OPTIONAL:
            continue
        kept.append(piece)
    return unicodedata.normalize("NFKC", "".join(kept))
