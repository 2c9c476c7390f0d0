"""What names are compared by beside their letters: words that carry nothing, titles, legal forms, opposites, spellings.

English, with what other languages put into names that English texts use. A word missing here makes a merge rarer or a
grey pair more frequent, except in `OPPOSITES`, which only keeps things apart.
"""

from __future__ import annotations

import re


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


STOP = _words("the a an of and for in on at to de la le du des der die das von van del della di da und et")
TITLES = _words(
    "mr mrs ms miss dr prof professor sir lord lady dame saint st president chancellor senator minister captain "
    "general colonel major king queen prince princess emperor pope judge justice rev reverend"
)
ROYAL = _words("king queen prince princess emperor pope saint st")  # a given name follows, not a surname
LEGAL = _words(
    "inc incorporated ltd limited llc llp plc corp corporation co company gmbh ag kg se sa sas spa nv bv ab oy oyj asa "
    "aps pty pte kk"
)
PLACED = _words("city town village municipality republic kingdom commonwealth")  # City of Vienna

_COUNTED = (
    "one first,two second,three third,four fourth,five fifth,six sixth,seven seventh,eight eighth,nine ninth,"
    "ten tenth,eleven eleventh,twelve twelfth"
)
NUMBERS = {word: str(number) for number, words in enumerate(_COUNTED.split(","), start=1) for word in words.split()}
_NUMERALS = "I II III IV V VI VII VIII IX X XI XII XIII XIV XV XVI XVII XVIII XIX XX"
ROMAN = {word: str(number) for number, word in enumerate(_NUMERALS.split(), start=1)}
IRREGULAR = {
    "bacteria": "bacterium", "criteria": "criterion", "phenomena": "phenomenon", "analyses": "analysis",
    "hypotheses": "hypothesis", "theses": "thesis", "crises": "crisis", "mice": "mouse", "geese": "goose",
    "feet": "foot", "teeth": "tooth", "children": "child", "men": "man", "women": "woman", "wolves": "wolf",
    "leaves": "leaf", "lives": "life", "larvae": "larva", "algae": "alga", "fungi": "fungus", "nuclei": "nucleus",
    "matrices": "matrix", "indices": "index", "vertices": "vertex", "spectra": "spectrum", "genera": "genus",
    "loci": "locus", "stimuli": "stimulus", "mitochondria": "mitochondrion", "nebulae": "nebula",
}  # fmt: skip

# Words of one line exclude each other: a name with one is another thing than the same name with the other, or without.
_FAMILIES = (
    "north south east west northern southern eastern western northeast northwest southeast southwest central",
    "upper lower middle",
    "inner outer",
    "left right",
    "male female",
    "positive negative",
    "internal external",
    "domestic foreign",
    "primary secondary tertiary",
    "maximum minimum",
    "high low",
    "new old",
    "greater lesser great little small big large",
    "major minor",
    "senior junior",
    "early late",
    "hot cold",
    "wet dry",
    "long short",
    "light heavy",
    "fast slow",
    "strong weak",
    "public private",
    "supervised unsupervised",
    "direct indirect",
    "onshore offshore",
    "import export",
    "input output",
    "aerobic anaerobic",
    "active passive",
    "acute chronic",
    "red green blue yellow black white grey gray brown",
    "monday tuesday wednesday thursday friday saturday sunday",
    "january february march april may june july august september october november december",
    "spring summer autumn winter",
    "alpha beta gamma delta epsilon",
    "father mother son daughter brother sister husband wife",
    "king queen prince princess",
    "mercury venus earth mars jupiter saturn uranus neptune",
)
OPPOSITES = {word: number for number, line in enumerate(_FAMILIES) for word in line.split()}
# Beginnings and endings that turn one word into another thing of the same kind: hyperthyroidism, nitrate.
_BEGINNINGS = (
    "hyper hypo", "inter intra", "pre post", "micro macro nano", "endo exo ecto", "over under", "mono di tri poly",
    "ante anti", "super sub", "homo hetero", "sym asym", "im ex",
)  # fmt: skip
_ENDINGS = ("ate ite ide", "ane ene yne anol", "ase ose", "er ee", "itis osis oma", "ic ous", "land lands")
NEGATIONS = ("non", "un", "in", "im", "ir", "a", "an", "dis", "anti")

_SPELLINGS = (
    (re.compile(r"(?<=\w{3})is(e|ed|es|ing|er|ation|ational)$"), r"iz\1"),
    (re.compile(r"(?<=\w\w)our$"), "or"),
    (re.compile(r"(?<=\w\w)tre$"), "ter"),
    (re.compile(r"(?<=\w\w)ogue$"), "og"),
    (re.compile(r"(?<=(?:model|label|ravel|ignal|ancel))l(ing|ed|er)$"), r"\1"),
    (re.compile(r"^sulph"), "sulf"),
    (re.compile(r"^oe(?=\w{5})"), "e"),
    (re.compile(r"^(h|an|p)ae(?=\w{5})"), r"\1e"),
)
_BRITISH = {
    "aluminium": "aluminum", "fibre": "fiber", "programme": "program", "grey": "gray", "defence": "defense",
    "licence": "license", "catalyse": "catalyze", "analyse": "analyze", "tonne": "ton", "tyre": "tire",
    "mould": "mold", "plough": "plow", "storey": "story", "cheque": "check", "jewellery": "jewelry",
}  # fmt: skip
_EXEMPT = _words(
    "hour four tour pour your sour flour paradise exercise precise promise premise rise wise enterprise expertise "
    "franchise disease release increase decrease phrase purchase praise raise noise poise demise otherwise"
)


def american(word: str) -> str:
    """Returns a lower-case word in one of the spellings that English has for it: organisation, organization."""
    if len(word) < 4 or word in _EXEMPT:
        return word
    if word in _BRITISH:
        return _BRITISH[word]
    for pattern, written in _SPELLINGS:
        word = pattern.sub(written, word)
    return word


def turns(left: str, right: str) -> bool:
    """Tells whether two words differ by a beginning or an ending that makes them different things of one kind."""
    if OPPOSITES.get(left, -1) == OPPOSITES.get(right, -2):
        return True
    for line in _BEGINNINGS:
        rests = [{word.removeprefix(one) for one in line.split() if word.startswith(one)} for word in (left, right)]
        if rests[0] & rests[1]:
            return True
    for line in _ENDINGS:
        rests = [{word.removesuffix(one) for one in line.split() if word.endswith(one)} for word in (left, right)]
        if rests[0] & rests[1]:
            return True
    short, long = sorted((left, right), key=len)
    return any(long == f"{negation}{short}" for negation in NEGATIONS)
