"""The campaign file that `gristmill init` writes."""

from __future__ import annotations

import re
from pathlib import Path

from ..errors import ConfigError
from ..graphs.recipes.base import SOURCES
from ..graphs.recipes.catalogue import recipe as recipe_by_name
from .recipe_copy import Copy
from .spec import make_spec

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")

TEMPLATE = """\
# A gristmill campaign. `gristmill run {name}.toml` runs it; the same command goes on where it stopped.

name = "{name}"
{sources}documents = ["{documents}"]   # files, folders, globs: md, txt, html, pdf, docx, csv, jsonl, parquet
recipe = "{recipe}"   # `gristmill recipes` lists them all: docs/recipes.md
{flow}{prompts}target = 100                       # stop at this many accepted items
concurrency = 32                   # tasks in flight at most
seed = 0

{options}
[models.default]
model = "{model}"
{server}
# [models.judge]                   # another model for some roles
# model = "openai_api/gpt-4o-mini"
# api_key_env = "OPENAI_API_KEY"   # the key's name in the environment, never the key
# price_in = 0.15                  # US dollars per million tokens
# price_out = 0.60

# [roles]
# critic = "judge"

[budget]                           # limits of the whole run; without one there is none
# tokens = 2_000_000
# usd = 5.0
# minutes = 60

[export]
formats = ["jsonl", "chat"]        # also parquet, alpaca, sharegpt, dpo, text, retrieval, huggingface
validation = 0.1                   # share of items held out, split by document
"""

# A recipe without a flow of its own cannot run before this names one; for the others it is a possibility.
FLOW = 'flow = "my_flow:build"   # your StateGraph: `build` in my_flow.py beside this file, see docs/flows.md\n'
OPTIONS = "# [options]                        # the recipe's own options\n"
PROMPTS = 'prompts = ["prompts"]              # templates here win over built-in ones of the same name\n'
SERVER = 'base_url = "http://localhost:8000/v1"\n'


def write_starter(
    name: str, *, documents: str, recipe: str, model: str, force: bool, copied: Copy | None = None
) -> Path:
    """Writes `name.toml` into the current folder, and the files of a recipe that is `copied`.

    Raises:
        ConfigError: the file is there, or a value cannot be; then nothing is written.
    """
    name = name.removesuffix(".toml")
    if not NAME.fullmatch(name):
        raise ConfigError(f"'{name}' cannot name a campaign; use letters, digits, '.', '_' and '-'")
    make_spec({"name": name, "documents": [documents], "recipe": recipe, "models": {"default": {"model": model}}})
    for value in (documents, recipe, model):
        if not value.isprintable() or '"' in value or "\\" in value:
            raise ConfigError(
                f"'{value}' has a character that a TOML string cannot hold as it is; edit the file by hand"
            )
    path = Path(f"{name}.toml")
    chosen = recipe_by_name(recipe)
    text = TEMPLATE.format(
        name=name,
        documents=documents,
        sources="" if chosen.needs & SOURCES else "# ",  # what starts from nothing would look for them in vain
        recipe=copied.recipe if copied else recipe,
        flow=FLOW if chosen.flow is None else f"# {FLOW}",
        prompts=PROMPTS if copied else "",
        options=copied.options if copied else OPTIONS,
        model=model,
        server=SERVER if model.startswith("openai_api/") else "",
    )
    try:
        with path.open("w" if force else "x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise ConfigError(f"{path} is there already; --force replaces it") from None
    if copied:
        copied.write()
    return path
