"""Extracts a graph from a passage and sums up what was said of an entity: `extract-graph`, `summarise-entity`.

Entities are the passage's terms. Relations come from clauses (subject, verb, object), then from two terms standing in
one sentence. Claims are the sentences about a term that have a figure. Dates and figures are no entities here: two
documents that share a year have nothing to say about each other. Attributes are left empty: no rule knows what they
mean.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from ...prompts.schemas import ExtractedClaim, ExtractedEntity, ExtractedGraph, ExtractedRelation, Summary
from .clauses import Clause, head_phrase, is_generic
from .judging import texts
from .lexicon import GENERAL_TYPES, PREPOSITIONS, RELATION_CUES, RELATION_VERBS, TYPE_CUES, word_list
from .reading import Reading, read
from .sentences import content_stems, find_name, one_line, split, stem, words
from .terms import Term, kind_of, strip_article

FIRST, MORE = 16, 10  # entities of a first answer, and of a gleaning
MAX_RELATIONS = 40
MAX_CLAIMS, MAX_QUALIFIERS = 20, 4
_YEAR = re.compile(r"(?<![\w.,-])(?:1[0-9]|20)\d\d(?![\w%]|[.,-]\d)")
# A number that is no year, with the percent sign or the word behind it: 240 megawatts, 13.5 metres, 40%.
_AMOUNT = re.compile(
    r"(?<![\w.,-])(?!(?:1[0-9]|20)\d\d(?![\w%]|[.,]\d))\d+(?:,\d{3})*(?:\.\d+)?"
    r"(?![^\W_])(?: ?%| per ?cent|(?: (?:million|billion|trillion))?(?: [a-z]{2,20}(?:-[a-z]{2,20})?)?)"
)
_COMPLEMENT = re.compile(r"an? ((?:[A-Za-z][\w-]* ?){1,5})")
_QUALIFIER = re.compile(
    r"(?:(?:\w+ly|small|deep|large|big|great|dense|main|thin|temporary|floating|new|old|proposed|artificial|enclosed|level|"
    r"popular|major|common|famous|important|single|simple|special|rare) )+"
)
_COMPLEMENT_END = re.compile(
    r"\b(?:of|in|on|at|that|which|who|for|from|by|with|to|used|made|built|and|near|between|formed|whose|where|when|across|about|behind|driven|caused)\b"
)
_PLACED = word_list("placed_verbs")
_SITE = re.compile(r"\b(?:in|off|on|near|at|along) (?:the )?$")
_FLIPPED = {"causes", "uses", "prevents", "affects", "has_part"}  # "X is caused by Y" says that Y causes X


def extract(variables: Mapping[str, Any]) -> ExtractedGraph:
    """Answers `extract-graph`; with `found`, only what is not in that list, and relations that name it.

    Passages that are read together are read as each would be alone.
    """
    answers = [_extract(passage, variables) for passage in texts(variables.get("passages"))]
    if not answers:
        return _extract(str(variables["passage"]), variables)
    return ExtractedGraph(
        entities=[one for answer in answers for one in answer.entities],
        relations=[one for answer in answers for one in answer.relations],
        claims=[one for answer in answers for one in answer.claims],
    )


def _extract(passage: str, variables: Mapping[str, Any]) -> ExtractedGraph:
    reading = read(passage)
    found = {_key(name) for name in texts(variables.get("found"))}
    entity_types = _types(variables.get("entity_types"))
    relation_types = _types(variables.get("relation_types"))
    terms = [t for t in _worthy(reading) if not found & {_key(t.name), *map(_key, t.aliases)}]
    chosen = terms[: MORE if found else FIRST]
    known = [t for t in _worthy(reading) if found & {_key(t.name), *map(_key, t.aliases)}]
    entities = {t.name: _entity(reading, t, entity_types) for t in chosen}
    kinds = _Kinds(relation_types, _pairs(variables.get("relation_types")), entity_types)
    relations = _relations(reading, [*chosen, *known], entities, kinds, found)
    claims = _claims(reading, chosen) if variables.get("claims") else []
    return ExtractedGraph(entities=list(entities.values()), relations=relations, claims=claims)


def _key(name: str) -> str:
    return " ".join(stem(word) for word in words(strip_article(name)))


def _worthy(reading: Reading) -> list[Term]:
    """Returns terms worth an entity: no fragments of longer terms, nothing general."""
    kept: list[Term] = []
    for term in reading.terms:
        inside = any(
            term.name != other.name and term.name in other.name and set(term.sentences) <= set(other.sentences)
            for other in reading.terms
        )
        if not inside and not is_generic(term.name) and 2 <= len(term.name) <= 80:
            kept.append(term)
    return kept


def _types(value: object) -> list[tuple[str, str]]:
    listed = value if isinstance(value, Sequence) and not isinstance(value, str) else []
    pairs = [
        (str(t["name"]), str(t.get("description", ""))) if isinstance(t, Mapping) else (str(t), "") for t in listed
    ]
    return pairs or [("concept", "")]


def _pairs(value: object) -> dict[str, frozenset[tuple[str, str]]]:
    """Returns the ends that relation types may join, lower-case, for those that say."""
    listed = value if isinstance(value, Sequence) and not isinstance(value, str) else []
    return {
        str(one["name"]): frozenset((str(source).lower(), str(target).lower()) for source, target in one["pairs"])
        for one in listed
        if isinstance(one, Mapping) and one.get("pairs")
    }


@dataclass(frozen=True)
class _Kinds:
    """What types relations may have, by the types of their ends."""

    types: Sequence[tuple[str, str]]
    pairs: Mapping[str, frozenset[tuple[str, str]]]
    entity_types: Sequence[tuple[str, str]]

    def choose(self, kind: str, source: str, target: str) -> str:
        """Returns the type for a kind of relation between terms of two types; "" when none may join them."""
        ends = (source.lower(), target.lower())
        fit = [
            one
            for one in self.types
            if one[0] not in self.pairs
            or any(all(a in ("*", b) for a, b in zip(pair, ends, strict=True)) for pair in self.pairs[one[0]])
        ]
        return choose_type(kind, fit, RELATION_CUES) if fit else ""


def _claims(reading: Reading, terms: Sequence[Term]) -> list[ExtractedClaim]:
    """Returns the sentences with a figure whose subject is a term, with the figure and the year as qualifiers."""
    claims: list[ExtractedClaim] = []
    for index, clause in enumerate(reading.clauses):
        sentence = reading.sentences[index]
        if clause is None or not sentence.complete:
            continue
        subject = _term_in(_subject_text(reading, index, clause), terms)
        amounts = [match.group().strip() for match in _AMOUNT.finditer(sentence.text)]
        years = [match.group() for match in _YEAR.finditer(sentence.text)]
        if subject is None or not (amounts or years):
            continue
        named = subject.name.lower() in sentence.text.lower()
        qualifiers = [f"amount: {amount}" for amount in amounts] + [f"time: {year}" for year in years]
        claims.append(
            ExtractedClaim(
                entity=subject.name,
                text="" if named else f"{subject.name}: {sentence.text}",
                quote=sentence.quote,
                qualifiers=qualifiers[:MAX_QUALIFIERS],
            )
        )
    return claims[:MAX_CLAIMS]


def choose_type(kind: str, types: Sequence[tuple[str, str]], cues: Mapping[str, Sequence[str]]) -> str:
    """Returns the user's type that fits a kind best by name, then by description; else the most general one."""
    spelled = [(name, name.lower().replace("_", " ")) for name, _ in types]
    for cue in cues.get(kind, ()):
        for name, low in spelled:
            if re.search(rf"\b{re.escape(cue)}", low):
                return name
    for cue in cues.get(kind, ()):
        for name, description in types:
            if re.search(rf"\b{re.escape(cue)}", description.lower()):
                return name
    for general in (*GENERAL_TYPES, "related", "associated"):
        for name, low in spelled:
            if low.startswith(general):
                return name
    return types[-1][0]


def _entity(reading: Reading, term: Term, types: Sequence[tuple[str, str]]) -> ExtractedEntity:
    chosen = _best_sentence(reading, term)
    sentence = reading.sentences[chosen]
    description = sentence.text
    if term.aliases and term.aliases[0] not in description:
        description = f"{description} It is also called {term.aliases[0]}."
    return ExtractedEntity(
        name=term.name, type=choose_type(term.kind, types, TYPE_CUES), description=description, quote=sentence.quote
    )


def _best_sentence(reading: Reading, term: Term) -> int:
    """Returns the sentence that says most about a term: it defines it, else it is about it, else the first one."""

    def worth(index: int) -> tuple[float, int]:
        clause = reading.clauses[index]
        value = 0.5 if reading.sentences[index].complete else 0.0
        if clause is not None and term.name.lower() in clause.subject.lower():
            value += 1 + (clause.shape == "copula") + bool(clause.apposition)
            value -= 0.1 * len(clause.subject.split())
        return value, -index

    return max(term.sentences, key=worth)


def _relations(
    reading: Reading,
    terms: Sequence[Term],
    entities: dict[str, ExtractedEntity],
    kinds: _Kinds,
    found: set[str],
) -> list[ExtractedRelation]:
    made: dict[tuple[str, str], ExtractedRelation] = {}
    types = {term.name: choose_type(term.kind, kinds.entity_types, TYPE_CUES) for term in terms}

    def relate(source: str, target: str, kind: str, description: str, index: int) -> None:
        pair = (source, target)
        if source == target or pair in made or (target, source) in made or len(made) >= MAX_RELATIONS:
            return
        if found and source not in entities and target not in entities:
            return  # both were there before this gleaning
        ends = [types[end] if end in types else entities[end].type for end in pair]
        chosen = kinds.choose(kind, *ends)
        if not chosen:
            return
        made[pair] = ExtractedRelation(
            source=source,
            target=target,
            type=chosen,
            description=description,
            quote=reading.sentences[index].quote,
        )

    for index, clause in enumerate(reading.clauses):
        if clause is None:
            continue
        subject = _term_in(_subject_text(reading, index, clause), terms)
        if subject is None:
            continue
        statement = one_line(reading.sentences[index].text)
        rest = head_phrase(clause.rest)
        complement = _complement(clause)
        whole = _key(re.sub(r"\s*\([^()]{0,60}\)", "", clause.subject)) == _key(subject.name)
        if complement and whole and not is_generic(complement):
            target = _term_in(complement, terms, whole=True)
            name = target.name if target else complement
            kind = kind_of(name)
            if target is None and (found or kind == "term" or " " not in name):
                continue
            if target is None:
                entities.setdefault(
                    name,
                    ExtractedEntity(
                        name=name, type=choose_type(kind, kinds.entity_types, TYPE_CUES), description=statement,
                        quote=reading.sentences[index].quote,
                    ),
                )  # fmt: skip
            if name.lower() != subject.name.lower():
                relate(subject.name, name, "is_a", f"{subject.name} is {clause.rest.split(' ')[0]} {name}.", index)
        for target in _terms_in(f"{clause.apposition}, {rest}" if clause.apposition else rest, terms)[:3]:
            kind, flipped = _relation_kind(clause, rest, target)
            source, goal = (target.name, subject.name) if flipped else (subject.name, target.name)
            if kind == "has_part" and "part of" in choose_type(kind, kinds.types, RELATION_CUES).replace("_", " "):
                source, goal = goal, source
            relate(source, goal, kind, statement, index)
    for sentence in reading.sentences:
        inside = [t for t in terms if sentence.index in t.sentences and sentence.complete]
        inside = [t for t in inside if not any(t is not o and t.name in o.name for o in inside)][:4]
        for source_term, target_term in pairwise(inside):
            relate(source_term.name, target_term.name, "related", sentence.text, sentence.index)
    return list(made.values())


def _subject_text(reading: Reading, index: int, clause: Clause) -> str:
    antecedent = reading.antecedents[index]
    return f"{antecedent[0]} {clause.subject}" if antecedent else clause.subject


def _complement(clause: Clause) -> str:
    """Returns what a subject is said to be, without article and without what follows: `tidal barrage`."""
    source = (
        clause.rest if clause.shape == "copula" and clause.aux in {"is", "are", "was", "were"} else clause.apposition
    )
    match = _COMPLEMENT.match(source)
    if match is None:
        return ""
    phrase = _QUALIFIER.sub("", _COMPLEMENT_END.split(match.group(1), maxsplit=1)[0]).strip()
    return phrase if 1 <= len(phrase.split()) <= 4 else ""


def _relation_kind(clause: Clause, rest: str, target: Term) -> tuple[str, bool]:
    """Returns a relation's kind and whether it runs from the object to the subject."""
    at = rest.find(target.name)
    still = clause.shape == "copula" or clause.base in _PLACED
    if at >= 0 and still and _SITE.search(rest[:at]) and (target.kind == "place" or target.name[0].isupper()):
        return "located_in", False
    if at < 0:
        return ("located_in", False) if target.kind == "place" else ("related", False)
    before = rest[:at].lower().split()
    if any(word in PREPOSITIONS for word in before[1:]):
        return "related", False  # not the verb's object
    for kind, verbs in RELATION_VERBS.items():
        if clause.base in verbs and clause.base != "be":
            passive_by = clause.shape == "passive" and rest.startswith("by ")
            if kind == "made_by":
                return (kind, not passive_by) if passive_by or clause.shape == "active" else ("related", False)
            if clause.shape == "passive" and not passive_by and kind not in {"located_in"}:
                return "related", False
            return kind, passive_by and kind in _FLIPPED
    return ("compares", False) if " than " in rest[:at] else ("related", False)


def _terms_in(text: str, terms: Sequence[Term]) -> list[Term]:
    low = text.lower()
    found: list[tuple[int, Term]] = []
    for term in terms:
        for name in (term.name, *term.aliases):
            span = find_name(name.lower(), low)
            if span:
                found.append((span[0], term))
                break
    found.sort(key=lambda pair: pair[0])
    return [t for _, t in found if not any(t is not o and t.name.lower() in o.name.lower() for _, o in found)]


def _term_in(text: str, terms: Sequence[Term], whole: bool = False) -> Term | None:
    """Returns the longest term in a text (or, with `whole`, the term that is the text)."""
    if whole:
        return next((t for t in terms if _key(text) in {_key(t.name), *map(_key, t.aliases)}), None)
    return max(_terms_in(text, terms), key=lambda t: (len(t.name), t.score), default=None)


def summarise(variables: Mapping[str, Any]) -> Summary:
    """Answers `summarise-entity`: the sentences that say most, none twice, within `max_words`, the definition first."""
    name = str(variables.get("name", ""))
    limit = max(1, int(variables.get("max_words") or 80))
    sentences: list[str] = []
    for description in texts(variables.get("descriptions")):
        sentences += [s.text for s in split(description)] or [one_line(description)]
    kept: list[tuple[int, str, frozenset[str]]] = []
    for number, sentence in enumerate(s for s in sentences if s):
        stems = content_stems(sentence)
        twin = next((k for k in kept if len(stems & k[2]) > 0.75 * max(1, min(len(stems), len(k[2])))), None)
        if twin is None:
            kept.append((number, sentence, stems))
        elif len(stems) > len(twin[2]):
            kept[kept.index(twin)] = (twin[0], sentence, stems)
    defining = re.compile(rf"(?:the |an? )?{re.escape(name.lower())}(?: \([^)]{{1,40}}\))? (?:is|are|was|were|means)\b")
    named = name.lower()
    kept.sort(key=lambda k: (not defining.match(k[1].lower()), named not in k[1].lower(), k[0]))
    chosen: list[tuple[int, str]] = []
    used = 0
    for number, sentence, _ in kept:
        count = len(sentence.split())
        if used + count <= limit:
            chosen.append((-1 if not chosen else number, sentence))
            used += count
    if not chosen:
        first = kept[0][1] if kept else name or "nothing is known"
        return Summary(summary=" ".join(first.split()[:limit]) or "nothing is known")
    return Summary(summary=" ".join(sentence for _, sentence in sorted(chosen)))
