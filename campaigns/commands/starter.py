"""What `gristmill init` writes: the campaign file of a recipe, and beside it an example of what the recipe works from.

An example is there to be replaced; with it the campaign runs as it stands. Nothing that is there is replaced but, where
that is asked for, the campaign file.
"""

from __future__ import annotations

import glob
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import orjson

from ...errors import ConfigError
from ...graphs.flows.check import AnyFlow, builder_of, infos_of
from ...graphs.recipes.base import SOURCES, Recipe
from ...graphs.recipes.catalogue import recipe as recipe_by_name
from ...graphs.recipes.catalogue import recipes
from ...graphs.recipes.examples import example_documents, example_of
from ...models.spec import ModelSpec
from ...prompts.library import PromptLibrary
from ..checking.apart import groups_of
from .recipe_copy import PROMPTS, Copy
from .rows_wanted import ROWS
from .starter_text import OWN_FLOW, Start, campaign_text

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
DOCUMENTS, SEEDS = "documents", "seeds.jsonl"

FLOW = '''\
"""How one task becomes an item: an example, yours to change. `gristmill flow {name}` checks and draws it."""

from gristmill.agents.critic import critic
from gristmill.agents.generator import generator
from gristmill.agents.messages import question_answer
from gristmill.agents.verifiers.novelty import novelty
from gristmill.graphs.flows.reference import reference_flow

KIND = "definition"


def build():
    """A question on the passage with its answer, no twin of another, judged. What is judged wrong is rejected."""
    return reference_flow(
        proposer=None,
        generator=generator(
            prompt="write-question-answer", given={{"kind": lambda state: KIND}}, messages=question_answer
        ),
        verifiers=novelty(fields=("question",)),
        critic=critic(prompt="judge-question-answer"),
    )
'''


@dataclass(frozen=True)
class Starter:
    """What was written: the campaign file, examples of what it works from, and those kept that were there.

    missing: what is to be put where before it runs, such as `your rows into seeds.jsonl`; empty where nothing lacks.
    yours:   the same where an example stands in its place, which runs too.
    """

    path: Path
    wrote: tuple[Path, ...] = ()
    kept: tuple[Path, ...] = ()
    missing: str = ""
    yours: str = ""


def write_starter(
    name: str, *, documents: str, recipe: str, model: str, force: bool, copied: Copy | None = None
) -> Starter:
    """Writes `name.toml` into the current folder, examples beside it, and the files of a recipe that is `copied`.

    `documents` may be empty: then the recipe's examples are written and named.

    Raises:
        ConfigError: the campaign file is there, or a value cannot be; then nothing is written.
    """
    name = name.removesuffix(".toml")
    if not NAME.fullmatch(name):
        raise ConfigError(f"'{name}' cannot name a campaign; use letters, digits, '.', '_' and '-'")
    ModelSpec.of(model)
    for value in (documents, recipe, model):
        if not value.isprintable():
            raise ConfigError(f"'{value}' has a character that cannot be typed into a TOML file; edit the file by hand")
    chosen, path = recipe_by_name(recipe), Path(f"{name}.toml")
    source = documents or (_seeds(name, chosen) if chosen.needs & ROWS else DOCUMENTS)
    examples = _examples(chosen, source, given=bool(documents))
    text = campaign_text(_start(name, chosen, recipe, source, model, copied))
    if path.exists() and not force:
        raise ConfigError(f"{path} is there already; --force replaces it")
    if copied:
        copied.write()
    path.write_text(text, encoding="utf-8")
    kept = tuple(one for one in examples if one.exists())
    wrote = tuple(one for one in examples if one not in kept)
    for one in wrote:
        one.parent.mkdir(exist_ok=True)
        one.write_text(examples[one], encoding="utf-8")
    yours = f"your {'rows' if chosen.needs & ROWS else 'documents'} into {source}"
    lacks = bool(chosen.needs & SOURCES) and not glob.glob(source)
    exemplary = any(one.is_relative_to(source) for one in wrote)
    return Starter(path, wrote, kept, missing=yours if lacks else "", yours=yours if exemplary else "")


def _seeds(name: str, chosen: Recipe) -> str:
    """Where the rows of a campaign stand: `seeds.jsonl`, unless another recipe's example is what stands there."""
    try:
        there = Path(SEEDS).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):  # none, or no example of ours
        return SEEDS
    others = (_rows(found) for found in recipes().values() if found.needs & ROWS)
    return f"{name}.jsonl" if there != _rows(chosen) and there in others else SEEDS


def _rows(chosen: Recipe) -> str:
    return b"".join(orjson.dumps(row) + b"\n" for row in example_of(chosen).rows).decode()


def _examples(chosen: Recipe, source: str, *, given: bool) -> Mapping[Path, str]:
    """The example files of a recipe with their texts; `given` says that there is something to work from already."""
    files: dict[Path, str] = {}
    if chosen.flow is None:
        files[Path(OWN_FLOW.partition(":")[0] + ".py")] = FLOW.format(name=OWN_FLOW)
    if given or not chosen.needs & SOURCES:
        return files
    if not chosen.needs & ROWS:
        texts = {} if Path(DOCUMENTS).exists() else example_documents()
        return files | {Path(DOCUMENTS) / file: text for file, text in texts.items()}
    rows = _rows(chosen)
    return files | {Path(source): rows} if rows else files


def _start(name: str, chosen: Recipe, called: str, source: str, model: str, copied: Copy | None) -> Start:
    prompts: Mapping[str, set[str]] = {"generator": set(), "critic": set()}  # those of the example of a flow
    apart: Sequence[Sequence[str]] = ()
    if chosen.flow is not None:
        flow = chosen.flow(chosen.options.model_validate(example_of(chosen).filled))
        prompts = _prompts(flow)
        apart = tuple(groups_of(chosen, flow, prompts.keys()))
    library = PromptLibrary()
    order = [*chosen.roles, *sorted(prompts.keys() - set(chosen.roles))]
    roles = [role for role in order if role in prompts]
    return Start(
        name=name,
        recipe=chosen,
        called=copied.recipe if copied else called,
        documents=source,
        model=model,
        roles=[*roles, "extractor"] if "graph" in chosen.needs else roles,
        apart=apart,
        raw=[role for role in roles if any(library.get(one).is_text for one in prompts[role])],
        given=copied.options if copied else {},
        copied=copied is not None and any(PROMPTS in path.parents for path in (*copied.files, *copied.kept)),
    )


def _prompts(flow: AnyFlow) -> dict[str, set[str]]:
    """The roles that a flow asks, each with the prompts that it is asked by."""
    found: dict[str, set[str]] = {}
    for node in builder_of(flow).nodes.values():
        for info in infos_of(node):
            if info.role:
                found.setdefault(info.role, set()).update([info.prompt] if info.prompt else [])
    return found
