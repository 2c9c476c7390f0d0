"""How entity names are compared: a key that equal names share, and where a name occurs in a text.

The rules are light and context-free, so that a name has the same key (and an entity the same id) in every campaign.
Nothing here knows a graph or a model.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache

MAX_NAME = 200  # characters; a longer "name" is a sentence that a model put in the wrong field

_SPACE = re.compile(r"\s+")
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")  # bidirectional overrides too
_ARTICLE = re.compile(r"(?:the|an|a) (?=.{4})", re.IGNORECASE)  # The Who keeps it: WHO is another
_POSSESSIVE = re.compile(r"(?:['\u2019]s|(?<=s)['\u2019])$")
_DOTTED = re.compile(r"(?:^|[\s(])(?:\w\.){2,9}$")
_PARENTHESES = re.compile(r"([^()]{1,200}?) ?\(([^()]{1,200})\)")
_PROPER = r"([^\W\d_a-z][\w.'\u2019-]{1,40}(?: [^\W\d_a-z][\w.'\u2019-]{1,40}){0,4})"
_ALSO = re.compile(  # "(also known as X)", ", formerly X,", "(German: X)"
    r"\s{0,3}[,(]\s{0,3}(?:(?:also|better|commonly|formerly|previously)\s(?:known as|called|written|spelled|named)\s"
    rf"|(?:formerly|previously)\s|[A-Z][a-z]{{3,12}}:\s)(?:the\s)?{_PROPER}(?=[,;).])"
)
_FOLLOWING = re.compile(r"\s{0,3}\(([^()\s]{2,12})\)")


def one_line(text: str) -> str:
    """Returns a model's text on one line, without the characters that could move a terminal's cursor or text."""
    return _SPACE.sub(" ", _CONTROL.sub(" ", text)).strip()


def code_of(text: str) -> str:
    """Returns text as a code: lower case, underscores; empty when nothing is left."""
    return re.sub(r"[^a-z0-9]+", "_", text[:80].lower()).strip("_")


def tidy(name: str) -> str:
    """Returns `name` on one line without the quotes and punctuation around it, or "" when nothing else is there."""
    text = one_line(unicodedata.normalize("NFKC", name))
    start, end = 0, len(text)
    while start < end and _is_edge(text[start]) and text[start] != "(":
        start += 1
    while end > start and _is_edge(text[end - 1]) and text[end - 1] not in ")%+#":  # C++, C# and 5% keep their ends
        end -= 1
    if text[end : end + 1] == "." and _DOTTED.search(text[start : end + 1]):
        end += 1  # U.S. keeps its dot
    text = text[start:end]
    # An unpaired bracket is punctuation; a paired one holds an acronym or tells two names apart.
    if text.count("(") != text.count(")"):
        text = text.strip("() ")
    return text


def _is_edge(character: str) -> bool:
    return unicodedata.category(character)[0] in "PZC" or character in "`^~|<>="


@lru_cache(maxsize=65_536)
def split_alias(name: str) -> tuple[str, str]:
    """Splits `Long Name (LN)` and `LN (Long Name)` into the long name and its acronym; "" when there is none.

    A parenthesis that is no acronym of the rest stays: `Mercury (planet)` is another name than `Mercury`.
    """
    name = tidy(name)
    found = _PARENTHESES.fullmatch(name)
    if found is None:
        return name, ""
    outer, inner = found[1].strip(), found[2].strip()
    if abbreviates(inner, outer):
        return outer, inner
    if abbreviates(outer, inner):
        return inner, outer
    return name, ""


def abbreviates(short: str, long: str) -> bool:
    """Tells whether `short` is an acronym of the whole of `long`.

    Its letters are, in order, the first letters of the words of `long`, each followed by any letters of that word
    (DNA takes two of deoxyribonucleic); only words of up to four letters may be passed over. Stricter than Schwartz
    and Hearst (PSB 2003), who look for the long form in running text; here it is given.
    """
    wanted = "".join(letter for letter in short.removesuffix("s") if letter.isalnum())
    if not 2 <= len(wanted) <= 10 or sum(letter.isupper() for letter in wanted) < 2:
        return False
    wanted = wanted.casefold()
    words = [word for word in re.split(r"[\s\-/]+", long.casefold()) if word]
    reached = {0}  # how many letters may be used up by the words so far
    for index, word in enumerate(words):
        after = set(reached) if index and len(word) <= 4 else set()
        for used in reached:
            letters = iter(word)
            if used < len(wanted) and next(letters) == wanted[used]:
                used += 1
                after.add(used)
                for letter in letters:
                    if used < len(wanted) and letter == wanted[used]:
                        used += 1
                        after.add(used)
        reached = after
    return len(words) > 1 and len(wanted) in reached


@lru_cache(maxsize=65_536)
def name_key(name: str) -> str:
    """Returns what equal names share, or "" when nothing of the name is left.

    NFKC, case, whitespace, punctuation around, a leading article, a possessive ending and the plural of the last word
    make no difference; an acronym in parentheses is left out. One capitalised word keeps its `s`: Adams is not Adam.
    """
    long, _ = split_alias(name)
    words = _POSSESSIVE.sub("", long).split(" ")
    if len(words) > 1 or not words[0].istitle():
        words[-1] = _singular(words[-1])
    return without_article(" ".join(words).rstrip(".").casefold().replace("\u2019", "'"))


def without_article(name: str) -> str:
    """Returns the name without a leading article, unless little would be left."""
    match = _ARTICLE.match(name)
    return name[match.end() :] if match else name


def _singular(word: str) -> str:
    if word[:-1].isupper() and word.endswith("s") and len(word) > 2:
        return word[:-1]  # LLMs
    if len(word) < 4 or not word.isalpha() or not word.isascii() or word.isupper():
        return word
    if word.endswith("ies") and len(word) > 4:
        return f"{word[:-3]}y"
    if word.endswith(("sses", "shes", "ches", "xes", "zes")):
        return word[:-2]
    if word.endswith("s") and not word.endswith(("ss", "us", "is", "as", "os", "ics")):
        return word[:-1]
    return word


def occurrences(name: str, text: str) -> Iterator[tuple[int, int]]:
    """Yields the spans at which `name` stands in `text` as whole words, any whitespace between its words.

    A lower-case name matches in any case. Another name matches as it is written, and in any case only where it is
    never written so and is not all capitals: `US` must not match `us`.
    """
    words = name.split()
    if not words:
        return
    body = r"\s+".join(re.escape(word) for word in words)
    found = _whole(body, text, re.IGNORECASE if name.islower() else re.NOFLAG)
    if not found and not name.isupper():
        found = _whole(body, text, re.IGNORECASE)
    yield from found


def _whole(pattern: str, text: str, flags: re.RegexFlag) -> list[tuple[int, int]]:
    # Edges are tested here: compiling a look-around for each name would take longer than all the searching.
    spans = (match.span() for match in re.finditer(pattern, text, flags))
    return [(start, end) for start, end in spans if not _inside(text, start) and not _inside(text, end)]


def _inside(text: str, place: int) -> bool:
    """Tells whether a word goes on across this place."""
    return 0 < place < len(text) and _in_word(text[place - 1]) and _in_word(text[place])


def _in_word(character: str) -> bool:
    # Letters of scripts that put spaces between words. Others (Chinese, Japanese, Thai, ...) have no edge to test.
    if character == "_" or character >= "\u0e00":
        return character == "_"
    return character.isalnum() or unicodedata.category(character)[0] == "M"  # vowels of Hindi and Bengali are marks


def acronyms_after(name: str, text: str) -> tuple[str, ...]:
    """Returns the acronyms of `name` that the text itself introduces, as in `... the name (TN) ...`, sorted."""
    found = set()
    for _, end in occurrences(name, text):
        match = _FOLLOWING.match(text, end)
        if match and abbreviates(match[1], name):
            found.add(match[1])
    return tuple(sorted(found))


def aliases_after(name: str, text: str) -> tuple[str, ...]:
    """Returns the other names that the text itself gives `name`, sorted: acronyms, and what it says in so many words.

    That is `(also known as X)`, `, formerly X,`, or a language, as in `Wien (English: Vienna)`. A bare parenthesis says
    nothing: `Wien (Vienna)` is one city, `Cambridge (Massachusetts)` names two.
    """
    stated = {match[1].rstrip(".") for _, end in occurrences(name, text) if (match := _ALSO.match(text, end))}
    return tuple(sorted({*acronyms_after(name, text), *stated} - {name}))
