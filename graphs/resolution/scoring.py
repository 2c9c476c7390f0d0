"""How likely two references are one entity, and why: from their names first, then from their contexts.

Names are compared by rules of a few kinds, each with a score of its own; letters by the Damerau-Levenshtein and
Jaro-Winkler measures of jellyfish. Context (shared neighbours, descriptions, documents) lifts a score towards the
kind's ceiling. A veto is final for rules: numbers, sides and types that contradict. Nothing depends on how frequent
a name or word is elsewhere, so a pair's score is a function of the pair.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import sqrt

from jellyfish import damerau_levenshtein_distance, jaro_winkler_similarity

from ...agents.names import name_key
from .forms import Form, form_of, said_words
from .references import Reference
from .types import Fit, Types
from .wordlists import turns

SAME_LETTERS = 4  # fewer letters say little
CLOSE = 0.9  # Jaro-Winkler from which two names are worth a doubt
ALIKE = 0.8  # cosine of embeddings, likewise
NAMING = frozenset({"person", "place", "organization", ""})  # types whose names may end in an s of their own
DISTINCT = "organization", "place", ""  # types whose names in another order are often others: Washington University


class Kind(StrEnum):
    """Why two references may be one."""

    NAME = "same name"
    UNTYPED = "same name, type open"
    LETTERS = "same letters"
    WORDS = "same words"
    SPELLING = "close spelling"
    SIMILAR = "similar letters"
    SHARED = "shared alias"
    ASIDE = "name in parentheses"
    MEANING = "similar embedding"
    ALIAS = "stated alias"
    ACRONYM = "initials"
    INITIAL = "initial and surname"
    PART = "part of the name"
    QUALIFIED = "name with a qualifier"
    NONE = ""


SHORT = frozenset({Kind.UNTYPED, Kind.ALIAS, Kind.ACRONYM, Kind.INITIAL, Kind.PART, Kind.QUALIFIED})
"""Kinds in which one name is short for the other, and could be short for several."""
EQUAL = frozenset({Kind.NAME, Kind.LETTERS})


@dataclass(frozen=True, slots=True)
class Score:
    """How likely a pair is one entity, in [0, 1], by which rule, and what forbids it ("" for nothing).

    `short` is the id of the reference whose name is the short one, for kinds that have one.
    """

    value: float
    kind: Kind = Kind.NONE
    veto: str = ""
    short: str = ""


@dataclass(slots=True)
class _Side:
    """A reference with what scoring looks up of it again and again."""

    reference: Reference
    form: Form
    aliases: frozenset[str]
    said: frozenset[str] | None = None


class Scorer:
    """Scores pairs of references. It remembers forms of references, so `forget` those that change."""

    def __init__(self, types: Types, vectors: Mapping[str, Sequence[float]] | None = None) -> None:
        self._types = types
        self._vectors = vectors or {}
        self._sides: dict[str, _Side] = {}

    def forget(self, id: str) -> None:
        """Drops what is remembered of a reference."""
        self._sides.pop(id, None)

    def score(self, left: Reference, right: Reference) -> Score:
        """Scores a pair; the order of the two makes no difference."""
        if right.id < left.id:
            left, right = right, left
        one, other = self._side(left), self._side(right)
        fit = self._types.fit(left.type, right.type)
        if left.key == right.key:
            return self._same_name(one, other, fit)
        if veto := _veto(one, other, fit):
            return Score(0.0, veto=veto)
        return self._other_name(one, other, fit)

    def veto(self, left: Reference, right: Reference) -> str:
        """Returns what forbids that two references are one, "" for nothing; cheaper than the score."""
        fit = self._types.fit(left.type, right.type)
        if left.key == right.key:
            return "types" if fit is Fit.CONFLICT else ""
        return _veto(self._side(left), self._side(right), fit)

    def context(self, left: Reference, right: Reference) -> float:
        """Returns how much two references share besides their names, in [0, 1]."""
        return self._context(self._side(left), self._side(right))

    def _side(self, reference: Reference) -> _Side:
        side = self._sides.get(reference.id)
        if side is None:
            aliases = frozenset(name_key(alias) for alias in reference.content.aliases) - {"", reference.key}
            side = self._sides[reference.id] = _Side(reference, form_of(reference.name), aliases)
        return side

    def _same_name(self, one: _Side, other: _Side, fit: Fit) -> Score:
        if fit is Fit.SAME:
            return Score(1.0, Kind.NAME)
        context = self._context(one, other)
        if fit is Fit.OPEN:
            open = [side.reference for side in (one, other) if self._types.is_open(side.reference.type)]
            if len(open) == 2:
                return Score(1.0, Kind.NAME)
            return Score(0.88 + 0.11 * context, Kind.UNTYPED, short=open[0].id)
        if fit is Fit.NEAR:
            return Score(0.8 + 0.19 * context, Kind.NAME)
        return Score(0.35 + 0.45 * context, Kind.NAME, veto="types")

    def _other_name(self, one: _Side, other: _Side, fit: Fit) -> Score:
        left, right = one.form, other.form
        stated = _stated(one, other)
        if stated is not None:
            return stated
        scores = [self._letters(one, other, fit), self._words(one, other)]
        if left.compact != right.compact:
            scores += [self._acronym(one, other), self._person(one, other), self._part(one, other)]
            scores += [self._spelling(one, other)]
        if _compact(left.qualifier) == right.compact or _compact(right.qualifier) == left.compact:
            scores.append(Score(0.56 + 0.22 * self._context(one, other), Kind.ASIDE))  # Wien (Vienna), Paris (Texas)
        if one.aliases & other.aliases:
            scores.append(Score(0.5 + 0.3 * self._context(one, other), Kind.SHARED))
        scores.append(self._meaning(one, other))
        return max(scores, key=lambda score: score.value)

    def _letters(self, one: _Side, other: _Side, fit: Fit) -> Score:
        left, right = one.form, other.form
        if not left.compact or left.compact != right.compact:
            return Score(0.0)
        context = self._context(one, other)
        if left.qualifier != right.qualifier:  # one has none: Mercury, and Mercury (planet)
            bare = one if not left.qualifier else other
            base = 0.75 if fit is Fit.SAME else 0.6
            return Score(base + 0.25 * context, Kind.QUALIFIED, short=bare.reference.id)
        if left.title != right.title or (left.title and one.reference.key != other.reference.key):
            short = min((one, other), key=lambda side: (len(side.reference.key), side.reference.id))
            return Score(0.7 + 0.28 * context, Kind.PART, short=short.reference.id)
        dotted = left.acronym and left.acronym == right.acronym  # U.S. and US
        if len(left.compact) < SAME_LETTERS and len(left.words) == len(right.words) == 1 and not dotted:
            return Score(0.7 + 0.25 * context, Kind.LETTERS)
        return Score(0.75 + 0.24 * context if fit is Fit.NEAR else 0.93 + 0.05 * context, Kind.LETTERS)

    def _words(self, one: _Side, other: _Side) -> Score:
        left, right = one.form, other.form
        if len(left.words) < 2 or left.compact == right.compact or left.bag != right.bag:
            return Score(0.0)
        kinds = {one.reference.type, other.reference.type}
        if kinds & set(DISTINCT) and not left.numbers:
            return Score(0.62 + 0.28 * self._context(one, other), Kind.WORDS)
        return Score(0.88 + 0.1 * self._context(one, other), Kind.WORDS)

    def _acronym(self, one: _Side, other: _Side) -> Score:
        for short, long in ((one, other), (other, one)):
            letters = short.form.acronym
            if letters and letters in long.form.initials and not long.form.acronym:
                base = {2: 0.42, 3: 0.58}.get(len(letters), 0.66) + (0.08 if long.form.numbers else 0.0)  # WWI
                return Score(base + 0.32 * self._context(one, other), Kind.ACRONYM, short=short.reference.id)
        return Score(0.0)

    def _person(self, one: _Side, other: _Side) -> Score:
        """J. Smith, John Smith; John Kennedy, John F. Kennedy: the veto has seen to it that initials agree."""
        left, right = one.form, other.form
        if "person" not in (one.reference.type, other.reference.type) or min(len(left.words), len(right.words)) < 2:
            return Score(0.0)
        if left.words[-1] != right.words[-1] or left.words[0][0] != right.words[0][0] or left.numbers | right.numbers:
            return Score(0.0)
        short = min((one, other), key=lambda side: (len(side.form.compact), side.reference.id)).reference.id
        same_first = left.words[0] == right.words[0]
        if not same_first and 1 not in (len(left.words[0]), len(right.words[0])):
            return Score(0.0)
        return Score((0.8 if same_first else 0.72) + 0.2 * self._context(one, other), Kind.INITIAL, short=short)

    def _part(self, one: _Side, other: _Side) -> Score:
        for short, long in ((one, other), (other, one)):
            if not short.form.bag < long.form.bag:
                continue
            if short.form.numbers != long.form.numbers or short.form.sides != long.form.sides:
                return Score(0.0)
            context = self._context(one, other)
            if "person" in (one.reference.type, other.reference.type) and len(short.form.words) == 1:
                surname = short.form.words[0] == long.form.words[-1] or long.form.royal
                base = 0.66 if surname else 0.4
                if surname and short.reference.documents <= long.reference.documents:
                    base = 0.8  # a document that calls somebody by the surname has called them by the whole name
                return Score(base + 0.24 * context, Kind.PART, short=short.reference.id)
            return Score(0.38 + 0.35 * context, Kind.PART, short=short.reference.id)
        return Score(0.0)

    def _spelling(self, one: _Side, other: _Side) -> Score:
        left, right = one.form, other.form
        if left.numbers != right.numbers or left.sides != right.sides or left.letters != right.letters:
            return Score(0.0)
        if left.acronym or right.acronym:
            return Score(0.0)
        shorter = min(len(left.compact), len(right.compact))
        longer = max(len(left.compact), len(right.compact))
        if shorter < 5 or longer - shorter > 3 or left.compact[0] != right.compact[0]:
            return Score(0.0)
        odd = _odd_words(left, right)
        if odd is not None and _plural(*odd):
            named = {one.reference.type, other.reference.type} & NAMING
            return Score((0.6 if named else 0.9) + 0.1 * self._context(one, other), Kind.SPELLING)
        if odd is not None and (turns(*odd) or min(map(len, odd)) < 4 or odd[0][0] != odd[1][0]):
            return Score(0.0)
        distance = damerau_levenshtein_distance(left.compact, right.compact)
        if distance > (1 if shorter < 12 else 2):
            close = jaro_winkler_similarity(left.compact, right.compact)
            if close < CLOSE:
                return Score(0.0)
            return Score(0.4 + 0.35 * self._context(one, other), Kind.SIMILAR)
        base = 0.62 if shorter < 7 else 0.72 if shorter < 12 else 0.86 - 0.06 * (distance - 1)
        if odd is not None and min(map(len, odd)) < 6:
            base -= 0.1
        if "person" in (one.reference.type, other.reference.type):
            base -= 0.06  # people's names are often a letter apart
        few, many = sorted((one.reference.weight, other.reference.weight))
        if few > max(1, many // 5):
            base -= 0.08  # an error is rarer than what it is an error for
        if one.reference.content.chunks & other.reference.content.chunks:
            return Score(base - 0.3, Kind.SPELLING)  # a text that writes both means two things, mostly
        return Score(base + 0.2 * self._context(one, other), Kind.SPELLING)

    def _meaning(self, one: _Side, other: _Side) -> Score:
        left, right = (self._vectors.get(side.reference.id) for side in (one, other))
        if left is None or right is None:
            return Score(0.0)
        norm = sqrt(sum(x * x for x in left) * sum(x * x for x in right))
        cosine = sum(x * y for x, y in zip(left, right, strict=True)) / norm if norm else 0.0
        if cosine < ALIKE:
            return Score(0.0)
        return Score(0.5 + 0.15 * (cosine - ALIKE) / (1 - ALIKE) + 0.15 * self._context(one, other), Kind.MEANING)

    def _context(self, one: _Side, other: _Side) -> float:
        left, right = one.reference, other.reference
        near = 0.0
        shared = len(left.neighbours & right.neighbours)
        if shared:
            cosine = shared / sqrt(len(left.neighbours) * len(right.neighbours))
            near = min(1.0, 3 * cosine * (1 - 0.5**shared))
        documents = len(left.documents & right.documents) / max(1, min(len(left.documents), len(right.documents)))
        return 1 - (1 - near) * (1 - self._descriptions(one, other)) * (1 - 0.5 * documents)

    def _descriptions(self, one: _Side, other: _Side) -> float:
        left, right = _said(one), _said(other)
        names = {*one.form.words, *other.form.words}
        shared = len((left & right) - names)
        if shared < 2:
            return 0.0
        return min(1.0, 2 * shared / max(1, min(len(left - names), len(right - names))))


def _said(side: _Side) -> frozenset[str]:
    if side.said is None:
        words: set[str] = set()
        for text in sorted(side.reference.content.descriptions)[:20]:
            words |= said_words(text)
        side.said = frozenset(words)
    return side.said


def _stated(one: _Side, other: _Side) -> Score | None:
    """A source says that one is also called the other."""
    ways = [
        short
        for short, long in ((one, other), (other, one))
        if short.reference.key in long.aliases
        or any(short.form.compact == form_of(alias).compact != "" for alias in long.reference.content.aliases)
    ]
    if not ways:
        return None
    if len(ways) == 2:
        return Score(0.97, Kind.LETTERS)  # each is said to be the other's name: as good as one name
    return Score(0.93, Kind.ALIAS, short=ways[0].reference.id)


def _veto(one: _Side, other: _Side, fit: Fit) -> str:
    left, right = one.form, other.form
    if fit is Fit.CONFLICT:
        return "types"
    if left.numbers and right.numbers and left.numbers != right.numbers:
        return "numbers"
    if left.qualifier and right.qualifier and left.qualifier != right.qualifier:
        return "qualifiers"
    if left.sides and right.sides and left.sides != right.sides:
        return "opposites"
    if "person" in (one.reference.type, other.reference.type):  # initials may be left out, and be those of whole names
        return "given names" if _clash(left, right) else ""
    if left.letters and right.letters and left.letters != right.letters:
        return "letters"
    return ""


def _clash(left: Form, right: Form) -> bool:
    """Two people of one surname whose first names cannot be one."""
    if min(len(left.words), len(right.words)) < 2 or left.words[-1] != right.words[-1]:
        return False
    first, second = left.words[0], right.words[0]
    if first == second or left.bag <= right.bag or right.bag <= left.bag:
        return False
    if 1 in (len(first), len(second)):
        return first[0] != second[0]
    return damerau_levenshtein_distance(first, second) > 1


def _compact(qualifier: str) -> str:
    return form_of(qualifier).compact or "?"


def _plural(left: str, right: str) -> bool:
    return left == f"{right}s" or right == f"{left}s"


def _odd_words(left: Form, right: Form) -> tuple[str, str] | None:
    """The two words in which two names differ, None where they do not differ in just one.

    A plural that was kept, as in a capitalised word, is only seen where it is all the difference.
    """
    if len(left.words) != len(right.words):
        return None
    odd = [pair for pair in zip(left.words, right.words, strict=True) if pair[0] != pair[1]]
    if len(odd) != 1 or _plural(*odd[0]):
        return odd[0] if len(odd) == 1 else None
    one, other = (word.removesuffix("s") if len(word) > SAME_LETTERS else word for word in odd[0])
    return one, other
