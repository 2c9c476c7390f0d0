"""The extractor that asks no model: names, acronyms and noun-like phrases, joined where they share a sentence.

The idea is graphrag's fast mode (noun phrases and co-occurrence). There is no tagger here: a phrase is a run of words
between stop words and punctuation (RAKE, Rose et al. 2010) that is written in capitals, repeated, or at least two words
long; chunks of one corpus then confirm each other (`confirmed`). What is kept is found verbatim, with its spans.

It needs words between blanks and a list of stop words: 29 languages in Latin, Greek, Cyrillic, Arabic, Hebrew,
Devanagari and Gujarati script. Chinese, Japanese, Korean, Thai and others give nothing, and the extraction says so.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from itertools import combinations, groupby

import stop_words

from ...models.offline.lexicon import GENERIC, NOUN_VERBS, PARTICIPLES, STOPWORDS, VERBS
from ...models.offline.sentences import Sentence, split
from ...models.offline.terms import is_title
from ...storage.records import Chunk, Span
from ..names import MAX_NAME, aliases_after, name_key, occurrences
from ..state import FlowContext
from .extractor import Extractor
from .finding import books_of, ordered
from .records import Extraction, FoundEntity, FoundRelation
from .schema import DEFAULT, GraphSchema

COOCCURS = "co-occurs with"
"""The type of a relation that no sentence states: two terms stand in one. It needs no place in a schema."""

MOST_TERMS = 30  # of one chunk; 512 tokens of prose name 10 to 25 things
MOST_TOGETHER = 8  # terms of one sentence that are joined, the best: a list of 50 names would give 1,225 pairs
MOST_SPANS = 3  # sentences of one chunk that are kept for a pair
LONGEST = 4  # words of a phrase in small letters; a name may have more
LEAST_KNOWN = 0.15  # share of a text's words that are stop words of its language; prose has 0.3 to 0.5
LOOKED_AT = 400  # words by which the language is told
UNSPACED = frozenset({"chinese", "japanese", "korean", "vietnamese"})  # their words do not stand between blanks
HEAD_LAST = frozenset(
    {"english", "german", "dutch", "danish", "swedish", "norwegian", "finnish", "hungarian", "turkish"}
)
CODES = {name: code for code, name in stop_words.LANGUAGE_MAPPING.items()}

_WORD = re.compile(r"[^\W_]+(?:[-'\u2019&./][^\W_]+)*")
_CONNECTORS = frozenset(
    ("of", "de", "la", "le", "du", "des", "del", "della", "di", "da", "do", "dos", "von", "van", "der", "den", "zu")
)
_ABBREVIATED = re.compile(r"(?:[a-z]\.)+[a-z]?")  # e.g, i.e


def terms_extractor(*, schema: GraphSchema = DEFAULT) -> Extractor:
    """Makes an `Extractor` that reads by rules: no model is asked, nothing is spent, and it never fails."""

    async def extract(chunk: Chunk, context: FlowContext, before: Chunk | None = None) -> Extraction:
        return read_terms(chunk, schema)

    return extract


def read_terms(chunk: Chunk, schema: GraphSchema = DEFAULT) -> Extraction:
    """Reads one chunk's terms and the pairs of them that share a sentence.

    The entities have the schema's fallback type and no description; `stopped` is `unknown_language` for a text that
    the rules cannot read, and it gives nothing then.
    """
    language = language_of(chunk.text)
    if language is None:
        return Extraction(chunk=chunk.id, by="terms", source_tokens=chunk.tokens, stopped="unknown_language")
    sentences = split(chunk.text, CODES[language])
    gathered = _Gathered(language, sentences)
    for sentence in sentences:
        if not is_title(sentence):  # where capitals name nothing
            gathered.read(sentence)
    terms = gathered.best(chunk.text)
    kind = schema.entity_type("")[0]
    entities = tuple(_entity(term, chunk, kind) for term in terms)
    relations, repeated = _relations(terms, sentences, chunk)
    entity_counts = Counter({"found": gathered.considered, "dropped:weak": gathered.considered - len(terms)})
    relation_counts = Counter({"found": len(relations) + repeated, "merged": repeated})
    return Extraction(
        chunk=chunk.id,
        by="terms",
        source_tokens=chunk.tokens,
        entities=entities,
        relations=relations,
        entity_books=books_of(entity_counts, len(entities)),
        relation_books=books_of(relation_counts, len(relations)),
        stopped="rules",
    )


def language_of(text: str) -> str | None:
    """Returns the language whose stop words a text has most of, by the package's name; None when no list fits."""
    words = [match[0].casefold() for match in _WORD.finditer(text[: 16 * LOOKED_AT])][:LOOKED_AT]
    if not words:
        return None
    known = {name: sum(word in listed for word in words) for name, listed in _lists().items()}
    best = max(sorted(known), key=lambda name: known[name])
    return best if known[best] >= LEAST_KNOWN * len(words) else None


@cache
def _lists() -> dict[str, frozenset[str]]:
    names = [name for name in stop_words.AVAILABLE_LANGUAGES if name not in UNSPACED]
    return {name: frozenset(stop_words.get_stop_words(name)) for name in names}


def _breaks(language: str) -> Callable[[str, bool], bool]:
    """Returns what tells whether a word in small letters ends a phrase; the flag says whether one has begun."""
    listed = _lists()[language]
    if language != "english":
        return lambda word, begun: word in listed or len(word) < 3

    def english(word: str, begun: bool) -> bool:
        # The package's English list has 1,333 words, among them `system` and `world`: the lexicon is narrower.
        verb = VERBS.get(word)
        return (
            word in STOPWORDS
            or len(word) < 3
            or word.endswith("ly")
            or (verb is not None and verb[0] not in NOUN_VERBS and (verb[1] != "do" or not begun))
            or (word in PARTICIPLES and not begun)
        )

    return english


@dataclass(frozen=True, slots=True)
class _Word:
    """A word of a sentence. `kind`: `big` (a capital that names something), `link` within a name, `figure`, `small`."""

    text: str
    start: int
    end: int
    kind: str


def _is_big(word: re.Match[str]) -> bool:
    return word[0][0].isupper()


@dataclass
class _Term:
    key: str
    name: str = ""  # the most frequent of `names`, once all are read
    names: Counter[str] = field(default_factory=Counter)
    capital: bool = False
    spans: set[tuple[int, int]] = field(default_factory=set)

    @property
    def score(self) -> float:
        words = self.key.count(" ") + 1
        return self.names.total() * (1 + 0.5 * (min(words, LONGEST) - 1)) * (2 if self.capital else 1)


class _Gathered:
    """The candidates of one chunk by the key that their forms share."""

    def __init__(self, language: str, sentences: tuple[Sentence, ...]) -> None:
        self.breaks = _breaks(language)
        self.small = STOPWORDS if language == "english" else _lists()[language]
        self.dull = _lists()[language] | GENERIC  # what is no term by itself, though it may be a part of one
        self.head_last = language in HEAD_LAST
        # What stands in capitals where no sentence begins is a name there too.
        self.proper = {word[0] for one in sentences for word in list(_WORD.finditer(one.quote))[1:] if _is_big(word)}
        self.terms: dict[str, _Term] = {}

    @property
    def considered(self) -> int:
        return len(self.terms)

    def read(self, sentence: Sentence) -> None:
        """Takes the names of a sentence, and the phrases between them."""
        text = sentence.quote
        run: list[_Word] = []
        for word in self._words(text):
            if run and not text[run[-1].end : word.start].isspace():
                self._close(text, run)
                run = []
            # After a name a word that may be a verb is one: Robert Gibrat designed.
            begun = bool(run) and run[-1].kind == "small"
            if word.kind == "small" and self.breaks(word.text.casefold(), begun):
                self._close(text, run)
                run = []
            elif word.kind != "figure" or run:
                run.append(word)
        self._close(text, run)

    def best(self, text: str) -> list[_Term]:
        """Returns the terms that are worth an entity, with their spans in `text`, the best first."""
        likely = [term for term in self.terms.values() if term.capital or " " in term.key or term.names.total() > 1]
        likely = sorted(likely, key=lambda term: (-term.score, term.key))[: 2 * MOST_TERMS]
        for term in likely:
            term.spans = {span for name in term.names for span in occurrences(name, text)}
            term.name = min(term.names, key=lambda name: (-term.names[name], name))
        # A part of a longer term that never stands without it says nothing of its own.
        return [
            term
            for term in likely
            if term.spans and not any(_within(term, other) for other in likely if other is not term)
        ][:MOST_TERMS]

    def _words(self, text: str) -> list[_Word]:
        found = list(_WORD.finditer(text))
        words: list[_Word] = []
        for place, match in enumerate(found):
            follows = found[place + 1] if place + 1 < len(found) else None
            beside = follows is not None and text[match.end() : follows.start()].isspace() and _is_big(follows)
            named = bool(words) and words[-1].kind == "big" and text[words[-1].end : match.start()].isspace()
            inner = match[0][1:] != match[0][1:].lower()
            if match[0] in _CONNECTORS and named and beside:
                kind = "link"  # University of Cambridge
            elif match[0].casefold() in self.small and not match[0].isupper():
                kind = "small"
            elif match[0][0].isdigit():
                kind = "figure"
            else:
                kind = "big" if _is_big(match) and (place or beside or inner or match[0] in self.proper) else "small"
            words.append(_Word(match[0], match.start(), match.end(), kind))
        return words

    def _close(self, text: str, run: list[_Word]) -> None:
        """Adds a run: its names, the whole of it when it is short, and the head of what stands in small letters."""
        while run and run[-1].kind == "link":
            run = run[:-1]
        if not run:
            return
        for big, part in groupby(run, key=lambda word: word.kind in ("big", "link")):
            words = list(part)
            if big:
                self._add(text, words, capital=True)
            elif self.head_last:
                self._add(text, words[-1:], capital=False)
            else:
                for word in words:
                    self._add(text, [word], capital=False)
        if 1 < len(run) <= LONGEST:
            self._add(text, run, capital=all(word.kind != "small" for word in run))

    def _add(self, text: str, run: list[_Word], *, capital: bool) -> None:
        name = " ".join(text[run[0].start : run[-1].end].split())
        alone = len(run) == 1 and (run[0].kind == "figure" or (not capital and run[0].text.casefold() in self.dull))
        alone = alone or _ABBREVIATED.fullmatch(name) is not None
        key = "" if alone or len(name) > MAX_NAME else name_key(name)
        if len(key) > 1:
            term = self.terms.setdefault(key, _Term(key))
            term.names[name] += 1
            term.capital = term.capital or capital


def _within(term: _Term, other: _Term) -> bool:
    """Tells whether a term stands only as a part of a longer one. A name within a phrase stands for itself."""
    if len(other.name) <= len(term.name) or (term.capital and not other.capital):
        return False
    return all(any(start <= at and end <= stop for start, stop in other.spans) for at, end in term.spans)


def _entity(term: _Term, chunk: Chunk, kind: str) -> FoundEntity:
    return FoundEntity(
        name=term.name,
        type=kind,
        typed=False,
        aliases=aliases_after(term.name, chunk.text),
        mentions=ordered({_span(chunk, start, end) for start, end in term.spans}),
    )


def _relations(
    terms: list[_Term], sentences: tuple[Sentence, ...], chunk: Chunk
) -> tuple[tuple[FoundRelation, ...], int]:
    """Returns one relation for each pair that shares a sentence, and how many more sentences the pairs share."""
    places: defaultdict[tuple[str, str], list[Sentence]] = defaultdict(list)
    by_key = {term.key: term for term in terms}
    for sentence in sentences:
        here = []
        for term in terms:  # the best first
            inside = [span for span in term.spans if sentence.start <= span[0] and span[1] <= sentence.end]
            if inside:
                here.append((term, inside))
        for (one, ones), (two, twos) in combinations(here[:MOST_TOGETHER], 2):
            if any(left[1] <= right[0] or right[1] <= left[0] for left in ones for right in twos):
                places[min(one.key, two.key), max(one.key, two.key)].append(sentence)
    relations = tuple(
        FoundRelation(
            source=by_key[source].name,
            target=by_key[target].name,
            type=COOCCURS,
            mentions=ordered({_span(chunk, one.start, one.end) for one in found[:MOST_SPANS]}),
        )
        for (source, target), found in sorted(places.items())
    )
    return relations, sum(len(found) - 1 for found in places.values())


def _span(chunk: Chunk, start: int, end: int) -> Span:
    return Span(chunk=chunk.id, start=start, end=end, quote=chunk.text[start:end])


def confirmed(read: Callable[[], Iterable[Extraction]], *, min_chunks: int = 2) -> Iterator[Extraction]:
    """Yields the extractions without the terms that fewer than `min_chunks` chunks have and no model found.

    Args:
        read: gives all extractions anew; it is called twice, so that none need stand in memory.
        min_chunks: graphrag's least node frequency. 1 keeps all.
    """
    counts: Counter[str] = Counter()
    trusted: set[str] = set()
    for extraction in read():
        keys = {name_key(entity.name) for entity in extraction.entities}
        counts.update(keys)
        if extraction.by != "terms":
            trusted |= keys
    for extraction in read():
        if extraction.by != "terms":
            yield extraction
            continue
        stay = {
            entity.name
            for entity in extraction.entities
            if (key := name_key(entity.name)) in trusted or counts[key] >= min_chunks
        }
        yield _without(extraction, stay)


def _without(extraction: Extraction, stay: set[str]) -> Extraction:
    entities = tuple(entity for entity in extraction.entities if entity.name in stay)
    relations = tuple(one for one in extraction.relations if {one.source, one.target} <= stay)
    rare, loose = len(extraction.entities) - len(entities), len(extraction.relations) - len(relations)
    books, links = extraction.entity_books, extraction.relation_books
    return extraction.model_copy(
        update={
            "entities": entities,
            "relations": relations,
            "entity_books": books.model_copy(
                update={"kept": len(entities), "dropped": {**books.dropped, "rare": rare}}
            ),
            "relation_books": links.model_copy(update={"kept": len(relations), "dropped": {"rare_end": loose}}),
        }
    )
