"""Names in a sentence: runs of capitalised words, what belongs to them, and the long forms of acronyms.

Long forms go by initials (after Schwartz and Hearst 2003).
"""

from __future__ import annotations

import re

from .lexicon import GENERIC, KIND_WORDS, NOUN_VERBS, PARTICIPLES, PRONOUNS, STOPWORDS, VERBS, word_list

TOKEN = re.compile(r"\d+(?:,\d{3})*(?:\.\d+)?%?(?![^\W_])|[^\W_]+(?:[-'’._][^\W_]+)*|[^\w\s]")


LONG_FORM = re.compile(r"\(([A-Z][A-Za-z0-9-]{1,9}s?)\)")


TITLES = word_list("titles")


MONTHS = word_list("months")


WEEKDAYS = word_list("weekdays")


ADJECTIVES = word_list("name_adjectives")


_CONNECTORS = frozenset(["of", "de", "la", "von", "van", "du"])
# "the French biologist Christian Retière", "the company Marine Current Turbines", "President Charles de Gaulle"
_ROLED = re.compile(
    r"(?:[A-Z][\w-]+ )?((?:(?!of |the |in |on |at |and |for )[a-z]+ ){1,3})"
    r"((?:[A-Z][\w.'’-]* (?:d[aeu] |v[ao]n )?){1,3}[A-Z][\w.'’-]*)"
)


def core_name(name: str) -> tuple[str, str]:
    """Splits what somebody is from the name: `biologist Christian Retière` gives the name and `biologist`."""
    match = _ROLED.fullmatch(name)
    if match:
        return match.group(2), match.group(1).strip()
    first, _, others = name.partition(" ")
    if first.lower().rstrip(".") in TITLES and others[:1].isupper():
        return others, "person"
    return name, ""


def runs(text: str) -> list[list[re.Match[str]]]:
    """Returns runs of capitalised tokens, joined over connectors: `Rance Tidal Power Station`, `Bay of Fundy`."""
    runs: list[list[re.Match[str]]] = []
    current: list[re.Match[str]] = []
    pending: list[re.Match[str]] = []
    for match in TOKEN.finditer(text):
        token = match.group()
        capital = token[0].isupper() or (current and token[0].isdigit() and not pending and token.isalnum())
        if capital:
            current += [*pending, match]
            pending = []
        elif (current and token.lower() in _CONNECTORS and not pending) or (
            current
            and match.group() == "for"
            and current[-1].group().lower() in KIND_WORDS["organisation"]
            and not pending
        ):
            pending = [match]
        elif pending and match.group() == "the":
            pending.append(match)
        else:
            if current:
                runs.append(current)
            current, pending = [], []
    if current:
        runs.append(current)
    joined: list[list[re.Match[str]]] = []
    for run in runs:
        # "the Wildfowl and Wetlands Trust": one body, told by its last word
        before = joined[-1] if joined else None
        if (
            before is not None
            and text[before[-1].end() : run[0].start()] == " and "
            and text[: before[0].start()].lower().endswith("the ")
            and run[-1].group().lower() in KIND_WORDS["organisation"]
        ):
            joined[-1] = [*before, *run]
        else:
            joined.append(run)
    return joined


def is_adjective(word: str) -> bool:
    """Whether a capitalised word is rather an adjective (`Danish`, `European`) that needs a noun after it."""
    low = word.lower()
    return low in ADJECTIVES or (low.endswith(("ish", "ese", "opean", "erican")) and len(low) > 4)


def extended(run: list[re.Match[str]], text: str) -> str:
    """Returns a name with the common nouns that follow it: `La Rance tidal power station`, `European eel`."""
    start, end = run[0].start(), run[-1].end()
    added = 0
    for match in TOKEN.finditer(text, end):
        token, low = match.group(), match.group().lower()
        if match.start() != end + 1 or added == 3 or not token[0].islower() or low in STOPWORDS or low.endswith("ly"):
            break
        if (
            (low in VERBS and VERBS[low][0] not in NOUN_VERBS)
            or (low in PARTICIPLES and low not in VERBS)
            or low.endswith("ed")
        ):
            break
        end = match.end()
        added += 1
    name = text[start:end]
    first = name.split()[0].lower()
    if first in STOPWORDS and len(name.split()) > 2:
        name = name[len(first) + 1 :]
    return name if added and name.split()[-1].lower() not in GENERIC else ""


def name_of(run: list[re.Match[str]], text: str, proper: frozenset[str]) -> str:
    """Returns the name in a run of capitalised tokens, or an empty string when it is no name of anything."""
    while run and (run[0].group().lower() in STOPWORDS or run[0].group().lower() in PRONOUNS):
        run = run[1:]
    while run and run[-1].group().lower() in STOPWORDS:
        run = run[:-1]
    if not run:
        return ""
    first = run[0]
    opening = not text[: first.start()].strip(" \"'“‘(")
    if opening and first.group() not in proper and len(run) == 1:
        return ""  # capitalised for standing first
    if opening and first.group() not in proper and first.group().lower() in VERBS:
        run = run[1:]
    tokens = [match.group() for match in run]
    if all(t.lower() in MONTHS | WEEKDAYS | ADJECTIVES or t[0].isdigit() for t in tokens):
        return ""
    if len(tokens) == 1 and (
        len(tokens[0]) < 2 or tokens[0].lower() in GENERIC or tokens[0].lower().rstrip(".") in TITLES
    ):
        return ""
    if len(tokens) > 7:
        return ""
    name = text[run[0].start() : run[-1].end()]
    return re.sub(r"['’]s$", "", name)


def long_form(before: str, short: str) -> str:
    """Returns the words before `(ABC)` whose initials spell it (Schwartz and Hearst 2003, initials only)."""
    letters = [c.lower() for c in short.rstrip("s") if c.isalpha()]
    tokens = list(re.finditer(r"[^\W_]+", before[-160:]))
    if len(letters) < 2 or len(tokens) < 2:
        return ""
    offset = max(0, len(before) - 160)
    for count in range(min(len(tokens), len(letters) + 3), 1, -1):
        chosen = tokens[-count:]
        if chosen[0].group()[0].lower() != letters[0] or chosen[0].group().lower() in STOPWORDS:
            continue
        initials = iter([t.group()[0].lower() for t in chosen])
        if all(letter in initials for letter in letters):
            return before[offset + chosen[0].start() :]
    return ""
