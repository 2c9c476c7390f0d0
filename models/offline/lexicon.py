"""The closed word lists of the rules: stop words, verbs and their forms, and the cue words of entity and relation kinds.

English only. Open-class knowledge (names of people, places) is deliberately absent: it would be wrong on most corpora.
"""

from __future__ import annotations

STOPWORDS = frozenset(
    """a about above across after again against all almost along already also although always am among an and another
    any are around as at away back be became because become becomes been before behind being below between both but by
    can cannot could did do does doing done down during each either else enough etc even ever every few first for from
    further had has have having he hence her here hers herself him himself his how however i if in indeed instead into
    is it its itself just last least less like made make makes many may me might more moreover most much must my myself
    near nearly neither never next no nor not now of off often on once one only onto or other others our ours out over
    own per perhaps quite rather really same second several shall she should since so some such than that the their
    theirs them themselves then there thereby therefore these they third this those though three through throughout thus
    to together too toward towards two under until up upon us use used uses using usually very via was we well were what
    when where whereas whether which while who whom whose why will with within without would yet you your""".split()
)
DETERMINERS = frozenset("a an the this that these those its their his her our my your each every some any no".split())
PREPOSITIONS = frozenset(
    """about above across after against along among around as at before behind below beneath beside between beyond by
    despite down during except for from in inside into like near of off on onto out over past per since through
    throughout to toward towards under underneath unlike until up upon via with within without""".split()
)
PRONOUNS = frozenset("it they he she this that these those we i you there here one some many most such both".split())
SUBORDINATORS = frozenset(
    "although though because since while whereas when whenever where if unless until once whether as before after".split()
)
RELATIVES = frozenset("that which who whom whose where".split())
COPULAS = frozenset("is are was were".split())
HAVE = frozenset("has have had".split())
MODALS = frozenset("can could may might will would must should shall".split())
AUXILIARIES = COPULAS | HAVE | MODALS | frozenset("do does did".split())
# nouns that name nothing by themselves: no question is asked about them alone
GENERIC = frozenset(
    """addition advantage aim answer approach area aspect author authors case cases change consequence contrast course
    degree difference effect end example examples experiment experiments fact factor finding findings form goal group
    idea instance issue kind kinds lack level lot main majority method methods model models number one ones order others
    paper part parts people place point points problem problems process purpose reason reasons result results role sense
    set situation solution sort step study task tasks team term thing things time times type types use value way ways
    work works year years another challenge challenges extensive key main important new proposed recent prior previous
    existing current empirical comprehensive different various several numerous certain finding evaluation evaluations
    observation research researchers analysis figure table section insight insights difficulty success failure""".split()
)

_REGULAR = """absorb accelerate accompany account achieve act adapt add address adopt advance affect aim allow amount
analyse analyze appear apply approach argue arrive assess assist assume attach attract balance base behave belong
benefit block boost call capture carry cause challenge change characterise characterize claim clean close collect
combine compare compete complement complete comprise compute concentrate conclude conduct confirm connect conserve
consider consist constitute construct consume contain continue contribute convert cool cover create cross decline
decrease define deliver demonstrate depend deposit derive describe design destroy detect determine develop devise
differ direct disappear discover discuss display disturb divide dominate double drain drop dry earn emerge emit employ
enable encode end enhance ensure enter erode escape establish estimate evaluate evolve examine exceed exhibit exist
expand experience explain explore export express extend extract face facilitate fail feature fill filter fix float flow
focus follow force form found function gain gather generate govern guide handle happen harvest heat help host identify
illustrate impact implement import improve include incorporate increase indicate influence inhabit inhibit install
integrate introduce invent investigate involve join kill lack last launch lay-out lie limit link live load locate lower
maintain manage map match measure merge migrate mix model monitor move need note observe obtain occupy occur offer open
operate organise organize originate outperform oxidise participate pass perform permit place play point pollute predict
preserve present prevent process produce promote propose protect prove provide publish pump purify raise range reach
receive recommend record recover reduce refer reflect regulate release rely remain remove repeat replace report
represent require resemble resist respond rest restore result retain return reveal reverse rotate scale secure select
separate serve settle shape share shift show sign slow solve sort span specify spin-off stabilise start stay store
stretch study suffer suggest supply support surround survive sustain switch target teach-out tend test tie trace trade
train transfer transform transmit transport trap travel treat trigger turn unify use utilise utilize vary visit warm
weaken weigh widen work yield demand expose depict trail earn kindle leverage surpass tackle underlie illuminate
alleviate mitigate attain elicit generalise generalize formulate extend validate verify conjecture adjust accumulate
circulate ferment nest breed-out roost hatch spawn burrow dissolve evaporate condense freeze-out melt inject orbit
rank host name nominate award elect appoint lead-up own sponsor fund finance organise hire employ translate edit""".split()
_DOUBLED = frozenset(
    "drop plan stop trap ship map control permit occur refer regulate-x transfer transmit emit".split()
)
_IRREGULAR = """be-come become became become|begin begin began begun|bind bind bound bound|blow blow blew blown|
break break broke broken|breed breed bred bred|bring bring brought brought|build build built built|burn burn burned burned|
buy buy bought bought|carve carve carved carved|choose choose chose chosen|come come came come|cost cost cost cost|
cut cut cut cut|draw draw drew drawn|drive drive drove driven|eat eat ate eaten|fall fall fell fallen|feed feed fed fed|
find find found found|fly fly flew flown|forbid forbid forbade forbidden|freeze freeze froze frozen|get get got got|
give give gave given|go go went gone|grow grow grew grown|hide hide hid hidden|hold hold held held|keep keep kept kept|
know know knew known|lead lead led led|learn learn learned learned|leave leave left left|let let let let|
lay lay laid laid|lose lose lost lost|make make made made|mean mean meant meant|meet meet met met|pay pay paid paid|
put put put put|read read read read|rise rise rose risen|run run ran run|say say said said|see see saw seen|
seek seek sought sought|sell sell sold sold|send send sent sent|set set set set|show show showed shown|
shrink shrink shrank shrunk|sink sink sank sunk|speak speak spoke spoken|spend spend spent spent|spin spin spun spun|
split split split split|spread spread spread spread|stand stand stood stood|swim swim swam swum|prove prove proved proven|take take took taken|
teach teach taught taught|tell tell told told|think think thought thought|win win won won|write write wrote written|
underlie underlie underlay underlain|undergo undergo underwent undergone|lie lie lay lain|overcome overcome overcame overcome|catch catch caught caught|hit hit hit hit|
hurt hurt hurt hurt|strike strike struck struck|steal steal stole stolen|wear wear wore worn|withstand withstand withstood withstood"""

# verbs whose forms are as often nouns: "language models", "wave power plants"
NOUN_VERBS = frozenset(
    """model change measure form design plan process study test record limit place point map rank range flow drop release
    scale share trap trade turn work yield demand cover cause benefit need lack report feature host sign switch target
    transport influence impact produce estimate force function increase decrease decline filter fund guide harvest heat
    plant power result level""".split()
)


def third_person(base: str) -> str:
    """`carry` gives `carries`."""
    if base.endswith(("s", "x", "z", "ch", "sh", "o")):
        return base + "es"
    if base.endswith("y") and base[-2] not in "aeiou":
        return base[:-1] + "ies"
    return base + "s"


def regular_past(base: str) -> str:
    """`carry` gives `carried`, `stop` gives `stopped`."""
    if base.endswith("e"):
        return base + "d"
    if base.endswith("y") and base[-2] not in "aeiou":
        return base[:-1] + "ied"
    return base + base[-1] + "ed" if base in _DOUBLED else base + "ed"


def _verb_forms() -> tuple[dict[str, tuple[str, str]], dict[str, str]]:
    finite: dict[str, tuple[str, str]] = {}
    participles: dict[str, str] = {"been": "be", "had": "have", "done": "do"}
    for base in _REGULAR:
        if "-" not in base:
            past = regular_past(base)
            finite |= {base: (base, "do"), third_person(base): (base, "does"), past: (base, "did")}
            participles[past] = base
    for entry in _IRREGULAR.replace("\n", "").split("|"):
        _, base, past, participle = entry.split()
        finite |= {base: (base, "do"), third_person(base): (base, "does")}
        if past != base:
            finite[past] = (base, "did")
        participles[participle] = base
    return finite, participles


# finite form -> (base, the auxiliary of its question); participle -> base
VERBS, PARTICIPLES = _verb_forms()

# what a definition's head noun, or the last word of a name, says about the kind of an entity
KIND_WORDS: dict[str, frozenset[str]] = {
    "person": frozenset(
        """person physicist chemist biologist engineer scientist researcher inventor author writer poet philosopher
        mathematician astronomer botanist zoologist naturalist ecologist geologist economist historian artist painter
        composer politician president king queen professor doctor architect explorer founder director designer""".split()
    ),
    "organisation": frozenset(
        """organisation organization company corporation institute institution university college agency authority council
        committee ministry department society association foundation trust group firm laboratory lab consortium bank
        charity commission court museum school board union inc ltd""".split()
    ),
    "place": frozenset(
        """place country city town village river lake sea ocean bay estuary gulf strait island islands peninsula coast
        mountain valley desert forest park reserve region province county state harbour harbor beach delta channel inlet
        basin peak canal port france britain canada""".split()
    ),
    "facility": frozenset(
        """station plant barrage bridge dam lagoon turbine reactor telescope tower building factory farm mill lock sluice
        port lighthouse observatory power ship vessel aircraft""".split()
    ),
    "event": frozenset(
        """war battle conference treaty election flood storm earthquake eruption revolution festival summit accident
        disaster expedition prize""".split()
    ),
    "method": frozenset(
        """method process technique algorithm approach procedure technology system device instrument machine framework
        engine pump sensor generator network model architecture tool software protocol benchmark dataset strategy""".split()
    ),
    "organism": frozenset(
        """species bird fish mammal insect plant worm alga algae crab mussel oyster clam snail bacterium bacteria fungus
        animal wader duck goose seal shark salmon eel shrimp seagrass grass tree shrub genus crustacean mollusc""".split()
    ),
    "substance": frozenset(
        """substance chemical element compound gas liquid metal mineral rock protein enzyme acid molecule material alloy
        sediment mud silt sand water oxygen carbon nitrogen fuel""".split()
    ),
    "quantity": frozenset("unit quantity measure metric rate ratio number amount score".split()),
    "work": frozenset("book novel paper article poem report film law act directive convention standard treaty".split()),
}
# the words by which a user's entity types are recognised, best first
TYPE_CUES: dict[str, tuple[str, ...]] = {
    "person": ("person", "people", "individual", "human", "author", "scientist"),
    "organisation": ("organisation", "organization", "company", "institution", "agency", "group"),
    "place": ("place", "location", "geographic", "region", "site", "country", "geography"),
    "facility": (
        "facility",
        "structure",
        "artefact",
        "artifact",
        "object",
        "product",
        "technology",
        "place",
        "location",
    ),
    "event": ("event", "happening", "incident"),
    "method": ("method", "technology", "technique", "process", "algorithm", "tool", "system", "concept"),
    "organism": ("organism", "species", "animal", "taxon", "plant", "living", "object", "concept"),
    "substance": ("substance", "material", "chemical", "compound", "object", "concept"),
    "quantity": ("quantity", "measure", "metric", "number", "value", "concept"),
    "work": ("work", "publication", "document", "book", "law", "dataset", "artefact", "product"),
    "date": ("date", "time", "period", "year", "event"),
    "term": ("concept", "term", "idea", "topic", "theory", "notion", "knowledge", "thing"),
}
GENERAL_TYPES = ("concept", "other", "entity", "thing", "term", "topic", "misc", "general", "object")

# verbs (bases) of each relation kind, and the words by which a user's relation types are recognised
RELATION_VERBS: dict[str, frozenset[str]] = {
    "is_a": frozenset({"be"}),
    "part_of": frozenset("belong".split()),
    "has_part": frozenset("contain include comprise consist have feature incorporate combine carry".split()),
    "causes": frozenset("cause trigger lead result produce generate create force drive induce increase raise".split()),
    "uses": frozenset("use employ utilise utilize apply adopt rely leverage need require".split()),
    "prevents": frozenset(
        "prevent reduce limit decrease inhibit replace destroy weaken lower mitigate alleviate block damage kill disturb".split()
    ),
    "affects": frozenset(
        "affect influence improve protect support change shape enable help enhance regulate promote allow impact".split()
    ),
    "located_in": frozenset("lie locate situate live inhabit flow occur stand".split()),
    "made_by": frozenset(
        "found invent discover develop design build construct propose introduce publish write establish launch".split()
    ),
    "eats": frozenset("eat feed consume".split()),
    "compares": frozenset("exceed outperform resemble differ surpass compare".split()),
}
RELATION_CUES: dict[str, tuple[str, ...]] = {
    "is_a": ("is a", "kind", "type of", "instance", "subclass", "category", "defined"),
    "part_of": ("part of", "belongs", "member", "component"),
    "has_part": ("has part", "contains", "includes", "part", "consists", "composition", "component"),
    "causes": ("cause", "leads", "result", "produces", "effect", "influence"),
    "uses": ("uses", "use", "depends", "requires", "applies", "employs"),
    "prevents": ("prevents", "hinders", "reduces", "affects", "influences", "impact"),
    "affects": ("affects", "influences", "impact", "effect", "enables", "causes"),
    "located_in": ("located", "location", "place", "lives", "where"),
    "made_by": ("created", "made", "founded", "invented", "developed", "author", "built", "produces"),
    "eats": ("eats", "feeds", "interacts", "depends"),
    "compares": ("compare", "contrast", "differs", "similar", "outperforms", "versus"),
    "dated": ("date", "time", "when", "happened"),
    "measures": ("number", "quantity", "measure", "value", "property", "attribute"),
    "related": ("related", "associated", "other", "association", "connected", "general"),
}
