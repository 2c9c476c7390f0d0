"""The text of the campaign file that `gristmill init` writes: that of one recipe, with its example filled in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ...graphs.recipes.base import SOURCES, Recipe
from ...graphs.recipes.documented import options_of
from ...graphs.recipes.examples import example_of
from .fitting import formats_of
from .recipe_page import toml
from .rows_wanted import ROWS, wanted

COLUMN = 34  # where what is said of a line begins
LONGEST = 116  # characters of a line
ROOM = 20  # characters that a remark needs
OWN_FLOW = "my_flow:build"
SERVER = "http://localhost:8000/v1"
ANOTHER_SERVER = "http://localhost:8001/v1"
JUDGES = ("critic", "judge", "labeller", "reward")  # roles that one gives a model of its own first


@dataclass(frozen=True)
class Start:
    """What a new campaign file is made of.

    name:      of the campaign.
    recipe:    to run.
    called:    what the file calls the recipe: its name, or `module:attribute`.
    documents: what it works from.
    model:     what answers.
    roles:     that its flow asks.
    apart:     groups of roles that need more than one model among them.
    raw:       those of its roles that are asked to go on with raw text.
    given:     options that are set, besides those of the example.
    copied:    whether its prompts are in the folder `prompts`.
    """

    name: str
    recipe: Recipe
    called: str
    documents: str
    model: str
    roles: Sequence[str] = ()
    apart: Sequence[Sequence[str]] = ()
    raw: Sequence[str] = ()
    given: Mapping[str, Any] = field(default_factory=dict)
    copied: bool = False


def campaign_text(start: Start) -> str:
    """Returns the whole file."""
    parts = (_head, _options, _models, _sources, _train, _ends)
    return "\n\n".join("\n".join(lines) for part in parts if (lines := list(part(start)))) + "\n"


def _head(start: Start) -> Iterator[str]:
    yield f"# {start.recipe.summary}"
    yield f"# `gristmill run {start.name}.toml` runs it, and goes on where it stopped. More of the recipe, and what its"
    yield f"# options mean: `gristmill recipes {start.called}`"
    yield ""
    yield f"name = {toml(start.name)}"
    yield _line(f"recipe = {toml(start.called)}", "`gristmill recipes` lists them all")
    if start.recipe.needs & SOURCES:
        yield _line(f"documents = {toml([start.documents])}", wanted(start.recipe))
    if start.recipe.flow is None:
        yield _line(f"flow = {toml(OWN_FLOW)}", "your StateGraph: see docs/flows.md")
    if start.copied:
        yield _line('prompts = ["prompts"]', "templates here win over built-in ones of the same name")
    yield _line("target = 100", "stop at this many accepted items")
    yield _line("concurrency = 32", "tasks in flight at most")
    yield "seed = 0"


def _options(start: Start) -> Iterator[str]:
    options = options_of(start.recipe)
    filled = {**example_of(start.recipe).filled, **start.given}
    if not options:
        return
    yield "[options]"
    for one in options:
        if one.name in filled:
            yield from _setting(one.name, filled[one.name], one.meaning)
    for one in options:
        if one.name not in filled:
            value = toml(one.default) if one.default is not None else "..."
            if len(value) > LONGEST - COLUMN:
                value = "{ ... }" if isinstance(one.default, dict) else "[...]"
            yield _line(f"# {one.name} = {value}", one.meaning)


def _setting(name: str, value: Any, meaning: str) -> Iterator[str]:
    line = f"{name} = {toml(value)}"
    if len(line) <= LONGEST or not isinstance(value, list):
        yield _line(line, meaning)
        return
    yield f"{name} = ["
    yield from (f"    {toml(one)}," for one in value)
    yield "]"


def _models(start: Start) -> Iterator[str]:
    others = {role for group in start.apart for role in group[1:]}
    plain = [role for role in start.roles if role not in others]
    yield _line("[models.default]", f"answers {', '.join(plain)}" if plain else "answers every role")
    yield from _model(start.model, SERVER)
    if start.model == "offline":
        yield "# A model of its own rules, for trying: no server, no key, and no understanding. A real one:"
        yield '# model = "openai_api/Qwen/Qwen2.5-7B-Instruct"'
        yield f'# base_url = "{SERVER}"'
    if len(plain) == 1:
        yield from _paid()
    for group in start.apart:
        for role in group[1:]:
            yield ""
            yield _line(f"[models.{role}]", f"not the model of {group[0]}: their answers are compared")
            yield from _model(another(start.model), ANOTHER_SERVER)
    if len(plain) > 1:
        yield from _others(plain, start.raw)


def _model(model: str, server: str) -> Iterator[str]:
    yield f"model = {toml(model)}"
    if model.startswith("openai_api/"):
        yield f'base_url = "{server}"'


def another(model: str) -> str:
    """Returns a model beside `model`: the other offline one, else a name to be filled in."""
    return "offline/weak" if model.startswith("offline") else f"{model.partition('/')[0]}/ANOTHER-MODEL"


def _others(roles: Sequence[str], raw: Sequence[str]) -> Iterator[str]:
    """A model for one of the roles, and one for two, as comments."""
    role = next((name for name in (*raw, *JUDGES) if name in roles), roles[-1])
    rest = [name for name in roles if name != role]
    yield ""
    said = "it goes on with raw text: a server with /v1/completions, such as vLLM" if role in raw else ""
    yield _line(f"# [models.{role}]", said or "another model for one role, by the role's name")
    yield '# model = "openai_api/gpt-4o-mini"' if not said else '# model = "openai_api/Qwen/Qwen2.5-7B"'
    if said:
        yield f'# base_url = "{ANOTHER_SERVER}"'
    yield from _paid()
    if rest:
        yield ""
        yield _line("# [roles]", "one model for several roles")
        yield f"# {rest[-1]} = {toml(role)}"


def _paid() -> Iterator[str]:
    yield _line('# api_key_env = "OPENAI_API_KEY"', "the key's name in the environment, never the key")
    yield _line("# price_in = 0.15", "US dollars per million tokens")
    yield "# price_out = 0.60"


def _sources(start: Start) -> Iterator[str]:
    own = ":" in start.called  # settings are those of a built-in name: for another they have to be said
    if settings := start.recipe.settings:
        yield f"# {'What the recipe needs:' if own else 'The recipe sets these; yours win:'}"
        yield from _tables(settings, "" if own else "# ")
    elif "graph" in start.recipe.needs:
        yield _line("# [graph]", "the knowledge graph, made of the documents before the first task")
        yield _line('# extractor = "model"', '"terms" reads by rules and asks no model, "mixed" does both')
        yield _line('# seed = "kg.graphml"', "a graph of your own, which becomes a part of it")
    if start.recipe.needs & ROWS and "chunks" not in settings:
        yield "# [chunks]"
        yield _line("# max_tokens = 512", "a row is taken whole: raise it for longer ones")


def _tables(settings: Mapping[str, Any], sign: str, path: tuple[str, ...] = ()) -> Iterator[str]:
    """The settings as tables of TOML, each line behind `sign`: a table's own keys first."""
    own = {key: value for key, value in settings.items() if not isinstance(value, Mapping)}
    if path and own:
        yield f"{sign}[{'.'.join(path)}]"
    yield from (f"{sign}{key} = {toml(value)}" for key, value in own.items())
    for key, value in settings.items():
        if isinstance(value, Mapping):
            yield from _tables(value, sign, (*path, key))


def _train(start: Start) -> Iterator[str]:
    if not start.recipe.hands_over:
        return
    yield _line("# [train]", "your trainer, called with the items of each round: docs/campaigns.md")
    trains = 'with [options] student = "model"' if "student" in start.recipe.options.model_fields else ""
    yield _line('# hook = "my_trainer:train"', trains)


def _ends(start: Start) -> Iterator[str]:
    yield _line("[budget]", "limits of the whole run; without one there is none")
    yield from ("# tokens = 2_000_000", "# usd = 5.0", "# minutes = 60", "")
    yield "[export]"
    yield _line(f"formats = {toml(list(formats_of(start.recipe)))}", "others: docs/datasets.md")
    yield _line("validation = 0.1", "share of items held out, split by document")


def _line(code: str, said: str = "") -> str:
    """A line with what is said of it, as much as fits."""
    start = f"{code.ljust(COLUMN)} # "
    room = LONGEST - len(start)
    return start + _short(said, room) if said and room > ROOM else code


def _short(text: str, room: int) -> str:
    """As many whole clauses of a text as there is room for, else as many words."""
    text = text.rstrip(".")
    if len(text) <= room:
        return text
    for mark in ("; ", ". ", ": "):
        clauses = mark.join(text[: room + 1].split(mark)[:-1])
        if len(clauses) > room // 3 and _closed(clauses):
            return clauses
    words = text[: room - 4].split(" ")[:-1]
    while words and not _closed(" ".join(words)):
        words.pop()
    return " ".join(words).rstrip(",:;") + " ..."


def _closed(text: str) -> bool:
    """Whether no bracket and no quotation of code in a text is open."""
    return text.count("(") == text.count(")") and text.count("[") <= text.count("]") and not text.count("`") % 2
