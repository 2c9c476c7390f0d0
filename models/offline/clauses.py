"""Finds subject, verb and rest of a sentence's main clause by closed word lists, and turns a clause into a question.

There is no tagger: a sentence that the rules do not read with confidence gives no clause, so what is made of clauses is
rather missing than wrong. One left-to-right scan, linear in the sentence's length.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from .lexicon import (
    AUXILIARIES,
    COPULAS,
    DETERMINERS,
    GENERIC,
    HAVE,
    NOUN_VERBS,
    PARTICIPLES,
    PREPOSITIONS,
    PRONOUNS,
    RELATIVES,
    STOPWORDS,
    SUBORDINATORS,
    VERBS,
    word_list,
)

TOKEN = re.compile(r"\d+(?:,\d{3})*(?:\.\d+)?%?|[^\W_]+(?:[-'’./][^\W_]+)*|[^\w\s]|_")
MAX_SUBJECT = 14  # tokens
_UNIT = re.compile(
    r"[a-z]*(?:metre|meter|watt|gram|litre|liter|joule|volt|hertz|tonne|byte|mile|acre|hectare)s?|[a-z]+-hours?"
)
_LEADERS = word_list("leaders")
_ADVERBS = word_list("adverbs")
_PLURAL_SUBJECTS = frozenset(
    ["we", "they", "i", "you", "people", "data", "bacteria", "algae", "fish", "both", "many", "some", "most", "others"]
)
_SENTENCE_END = " .!?\"'”’"
_APPOSITIVE_HEADS = frozenset(["a", "an", "the", "one", "which", "who", "also", "known", "called", "named", "formerly"])
_REDUCED = frozenset(["by", "for", "as", "on", "at", "with", "using", "along", "near"])
_LINKING_ADVERBS = frozenset(["also", "then", "thus", "therefore", "still", "once"])
_CLAUSE_ENDS = word_list("clause_ends")
_BEFORE_NOUN = DETERMINERS | PREPOSITIONS | {"and", "or"}


@dataclass(frozen=True, slots=True)
class Clause:
    """A main clause, `subject + aux (+ main) + rest`, as its question needs it.

    `shape` is `copula`, `passive` or `active`; `aux` stands before the subject in a question, `main` after it
    (`does` and `open` for "opens"); `base` is the verb's base form, `verb` the group as it stands. `lead` is an opening
    such as "In 1966", `apposition` what stands between commas after the subject. `rest` has no closing full stop.
    """

    subject: str
    verb: str
    rest: str
    shape: str
    aux: str
    main: str
    base: str
    lead: str = ""
    apposition: str = ""

    @property
    def pronoun(self) -> bool:
        """Whether the subject is a bare pronoun, which means nothing without the sentence before."""
        return self.subject.lower() in {"it", "they", "he", "she", "this", "these", "those", "that"}

    def renamed(self, subject: str) -> Clause:
        """Returns the clause with another subject."""
        return replace(self, subject=subject)

    def ask(self, wh: str, tail: str = "") -> str:
        """Returns `wh aux subject main tail?`."""
        parts = [wh, self.aux, self.subject, self.main, tail.strip(" ,;")]
        return " ".join(part for part in parts if part).rstrip(" .,;:") + "?"


def _is_plural(token: str) -> bool:
    low = token.lower()
    return low in _PLURAL_SUBJECTS or (low.endswith("s") and not low.endswith(("ss", "us", "is", "'s", "’s")))


def is_generic(phrase: str) -> bool:
    """Whether a phrase names nothing by itself: `the results`, `this approach`, `one`."""
    named = [w for w in TOKEN.findall(phrase) if w[0].isalnum() and w.lower() not in STOPWORDS]
    return all(w.lower() in GENERIC or _UNIT.fullmatch(w.lower()) or not any(c.isalpha() for c in w) for w in named)


def _lead_end(tokens: list[re.Match[str]]) -> int:
    """Returns how many tokens open the sentence before its subject (0 for none)."""
    first = tokens[0].group().lower()
    comma = next((i for i, t in enumerate(tokens[:16]) if t.group() == ","), 0)
    if (first in _LEADERS or first.endswith("ly")) and 0 < comma <= 3:
        return comma + 1
    if first == "in" and len(tokens) > 2 and re.fullmatch(r"(1[0-9]|20)\d\d", tokens[1].group()):
        return 3 if tokens[2].group() == "," else 2
    opens = first in PREPOSITIONS | {"as", "for", "to"} or first.endswith("ing") or first in PARTICIPLES
    if opens and 0 < comma <= 14 and not any(t.group().lower() in AUXILIARIES | RELATIVES for t in tokens[:comma]):
        return comma + 1
    return 0


def _finite(tokens: list[re.Match[str]], i: int, start: int) -> tuple[str, str] | None:
    """Returns (base, question auxiliary) when token `i` is the finite verb of the subject `start..i`."""
    low = tokens[i].group().lower()
    before = i - 1
    while before > start and (tokens[before].group().lower() in _ADVERBS or tokens[before].group().endswith("ly")):
        before -= 1
    head = tokens[before].group()
    if low in AUXILIARIES:
        return low, low
    found = VERBS.get(low)
    if found is None or tokens[i].group()[0].isupper():
        return None
    base, aux = found
    if head.lower() in DETERMINERS | PREPOSITIONS | {"to", "and", "or"} or (
        not head[-1].isalnum() and head not in ")],"
    ):
        return None
    following = tokens[i + 1].group().lower() if i + 1 < len(tokens) else "."
    joined = any(t.group() == "and" for t in tokens[start:i])
    if aux == "do" and not (_is_plural(head) or joined):
        return None
    if aux == "does":
        if (_is_plural(head) and head.lower() != "data") or following in AUXILIARIES | {"of", ",", "and"}:
            return None
        if VERBS.get(following, ("", ""))[1] == "do" and low not in {"helps", "lets", "makes"}:
            return None  # "most current approaches rely on": the noun
        noun = following in PARTICIPLES or following.endswith("ed") or (following.endswith("s") and base != "cause")
        if base in NOUN_VERBS and noun and following not in DETERMINERS:
            return None  # "the language models trained on": the noun
    if aux == "did" and low in PARTICIPLES and following in _REDUCED:
        return None  # "the plant opened by the king was ...": a reduced relative as likely as a verb
    if following == "(":
        return None
    # a second finite verb in the same clause means that this word was a noun or a participle
    for k in range(i + 1, min(i + 14, len(tokens))):
        word = tokens[k].group().lower()
        if word in _CLAUSE_ENDS:
            break
        if word in AUXILIARIES:
            return None
        if VERBS.get(word, ("", "did"))[1] != "did" and tokens[k - 1].group().lower() not in _BEFORE_NOUN:
            if VERBS[word][1] == "does" and VERBS[word][0] not in NOUN_VERBS and not _is_plural(tokens[k - 1].group()):
                return None
            if VERBS[word][1] == "do" and _is_plural(tokens[k - 1].group()) and VERBS[word][0] not in NOUN_VERBS:
                return None
            if aux == "did" and VERBS[word][1] == "do" and tokens[k - 1].group().isdigit():
                return None
    return base, aux


def _group(tokens: list[re.Match[str]], i: int, found: tuple[str, str]) -> tuple[int, str, str, str, str]:
    """Reads the verb group at token `i`; returns (index after it, shape, aux, main, base)."""
    base, aux = found
    low = tokens[i].group().lower()
    j = i + 1
    extra: list[str] = []

    def skip() -> None:
        nonlocal j
        while j < len(tokens) and (tokens[j].group().lower() in _ADVERBS or tokens[j].group().endswith("ly")):
            if j + 1 < len(tokens) and not tokens[j].group()[0].isupper():
                extra.append(tokens[j].group())
                j += 1
            else:
                return

    if low not in AUXILIARIES:
        return j, "active", aux, base, base
    if low in {"do", "does", "did"}:
        return j, "none", "", "", ""
    mark = j
    skip()
    word = tokens[j].group().lower() if j < len(tokens) else ""
    adverb = "".join(f"{word} " for word in extra if word.lower() not in _LINKING_ADVERBS)
    if low in COPULAS:
        if word in PARTICIPLES or (word.endswith("ed") and len(word) > 4):
            main = PARTICIPLES.get(word, word)
            return j + 1, "passive", low, adverb + tokens[j].group(), main
        if (word.endswith("ing") and word[:-3] in VERBS) or (word.endswith("ing") and word[:-3] + "e" in VERBS):
            return j + 1, "active", low, adverb + word, word[:-3] if word[:-3] in VERBS else word[:-3] + "e"
        return mark, "copula", low, "", "be"
    if low in HAVE:
        if word == "been" and j + 1 < len(tokens) and tokens[j + 1].group().lower() in PARTICIPLES:
            participle = tokens[j + 1].group().lower()
            return j + 2, "passive", low, f"{adverb}been {participle}", PARTICIPLES[participle]
        if word in PARTICIPLES and word != "had":
            return j + 1, "active", low, adverb + word, PARTICIPLES[word]
        question = {"has": "does", "have": "do", "had": "did"}[low]
        return mark, "active", question, "have", "have"
    if word == "be" and j + 1 < len(tokens):
        participle = tokens[j + 1].group().lower()
        if participle in PARTICIPLES:
            return j + 2, "passive", low, f"{adverb}be {participle}", PARTICIPLES[participle]
        return j + 1, "copula", low, "be", "be"
    if (word in VERBS and VERBS[word][1] == "do") or word == "have":
        return j + 1, "active", low, adverb + word, word
    return j, "none", "", "", ""


def parse(sentence: str) -> Clause | None:
    """Reads the main clause of a sentence on one line; None when the rules are not sure of it."""
    tokens = list(TOKEN.finditer(sentence))
    if len(tokens) < 4:
        return None
    start = _lead_end(tokens)
    if start >= len(tokens) - 3:
        return None
    first = tokens[start].group().lower()
    if (
        first in SUBORDINATORS | {"to", "there", "but", "and", "or", "how", "what", "why", "by"}
        or first in PREPOSITIONS
    ):
        return None
    depth = commas = relatives = 0
    apposition: tuple[int, int] | None = None
    i = start
    while i < min(len(tokens), start + MAX_SUBJECT + 10):
        mark = tokens[i].group()
        low = mark.lower()
        if mark in "([":
            depth += 1
        elif mark in ")]":
            depth -= 1
        elif depth:
            pass
        elif mark in ";:?!–—" or low in SUBORDINATORS - {"as"}:
            return None
        elif mark == ",":
            following = tokens[i + 1].group().lower() if i + 1 < len(tokens) else ""
            closing = next((k for k in range(i + 2, min(i + 24, len(tokens))) if tokens[k].group() == ","), None)
            if following in _APPOSITIVE_HEADS and closing is not None and apposition is None and i > start:
                after = tokens[closing + 1].group().lower() if closing + 1 < len(tokens) else ""
                if after in AUXILIARIES or after in VERBS or after in _ADVERBS:
                    apposition = (i, closing)
                    i = closing
                else:
                    commas += 1
            else:
                commas += 1
            if commas > 3:
                return None
        elif low in RELATIVES and i > start:
            relatives += 1
        elif relatives and i > start and (low in AUXILIARIES or low in VERBS):
            relatives -= 1
        elif i > start and (found := _finite(tokens, i, start)) is not None:
            if commas and apposition is None and (start or "and" not in {t.group() for t in tokens[start:i]}):
                return None
            return _clause(sentence, tokens, start, i, found, apposition)
        if i - start > MAX_SUBJECT and apposition is None:
            return None
        i += 1
    return None


def _clause(
    sentence: str,
    tokens: list[re.Match[str]],
    start: int,
    i: int,
    found: tuple[str, str],
    apposition: tuple[int, int] | None,
) -> Clause | None:
    j, shape, aux, main, base = _group(tokens, i, found)
    if shape == "none" or j >= len(tokens):
        return None
    low_group = sentence[tokens[i].start() : tokens[j - 1].end()]
    if " not" in f" {low_group.lower()} " or "cannot" in low_group.lower():
        return None  # a negation is easily lost in a question
    end = i
    while end > start + 1 and (tokens[end - 1].group().lower() in _ADVERBS or tokens[end - 1].group().endswith("ly")):
        end -= 1
    subject_end = tokens[apposition[0] - 1].end() if apposition else tokens[end - 1].end()
    subject = sentence[tokens[start].start() : subject_end].strip(" ,")
    if not subject or subject.lower() in PRONOUNS - {"it", "they", "he", "she", "this", "these", "we"}:
        return None
    rest = sentence[tokens[j].start() :].strip()
    rest = rest.rstrip(_SENTENCE_END)
    return Clause(
        subject=subject,
        verb=low_group,
        rest=rest,
        shape=shape,
        aux=aux,
        main=main,
        base=base,
        lead=sentence[tokens[0].start() : tokens[start - 1].end()].strip(" ,") if start else "",
        apposition=sentence[tokens[apposition[0] + 1].start() : tokens[apposition[1] - 1].end()] if apposition else "",
    )


_CUT = re.compile(
    r"(?:,? (?:which|who|whose|where|while|whereas|although|though|because|since|so that|but|when|if|unless|thereby|"
    r"until|rather than|instead of|thus|yet)\b|;|:|, (?=and (?:is|are|was|were|has|have|had|can|will|it|they|the)\b)"
    r"|, (?=(?:mak|allow|caus|lead|leav|giv|us|enabl|form|creat|provid|reduc|produc|resul|achiev|show|demonstrat|"
    r"improv|surpass|outperform)\w{0,4}ing\b))|\. | [–—] "
)


def first_clause(text: str) -> str:
    """Returns `text` up to the clause that a comma and `and` or `but` open: `X, and Y is Z` gives `X`."""
    for second in re.finditer(r", (?:and|but) (?=\w)", text):
        following = text[second.end() :]
        if parse(f"{following[0].upper()}{following[1:]}.") is not None:
            return text[: second.start()]
    return text


def head_phrase(rest: str) -> str:
    """Returns `rest` up to the first subordinate clause: the object or complement, verbatim."""
    depth = 0
    cut = len(rest)
    for match in _CUT.finditer(rest):
        depth = rest.count("(", 0, match.start()) - rest.count(")", 0, match.start())
        if depth <= 0 and match.start() > 0:
            cut = match.start()
            break
    phrase = rest[:cut]
    phrase = first_clause(phrase)
    # "X and is Y", "X and produced Y": a second verb phrase is another fact
    for second in re.finditer(r",? and (\w+)", phrase):
        low = second.group(1).lower()
        if low in AUXILIARIES or (low in VERBS and VERBS[low][1] != "do"):
            phrase = phrase[: second.start()]
            break
    return phrase.strip(" ,;:")
