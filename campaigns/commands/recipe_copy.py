"""Copies a built-in recipe into a user's project, to be changed: its module, its prompts, its data files.

The copy imports `gristmill` by name, so it runs from the project's folder, and makes the same items until it is
changed. Nothing that is there is replaced.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from ...errors import ConfigError
from ...graphs import planners
from ...graphs.flows.check import infos_of
from ...graphs.recipes import catalogue
from ...graphs.recipes.documented import options_of
from ...prompts.library import PromptLibrary

MODULES, PROMPTS = Path("recipes"), Path("prompts")
HERE = "gristmill.graphs.recipes"
DATA = Path(planners.__file__).parent  # the taxonomies that planners draw by
_RELATIVE = re.compile(r"^(\s*from )(\.+)([\w.]*)( import )", re.MULTILINE)
_DATA = re.compile(r"`(\w+\.toml)`")


@dataclass(frozen=True)
class Copy:
    """What a copy is: its name for a campaign file, its files with their texts, those kept as they are, the options
    that name its data files."""

    recipe: str
    files: dict[Path, str]
    kept: tuple[Path, ...]
    options: dict[str, str]

    def write(self) -> None:
        """Writes the files, none over another."""
        for path, text in self.files.items():
            path.parent.mkdir(exist_ok=True)
            with path.open("x", encoding="utf-8") as file:
                file.write(text)


def copy_of(name: str) -> Copy:
    """Plans the copy of the recipe called `name` into the working folder; writes nothing.

    Raises:
        ConfigError: there is no such recipe, or a file of it is there already; names the files.
    """
    if ":" in name:
        raise ConfigError(
            f"recipe '{name}' is your own already, there is nothing to copy; "
            f"write a campaign file for it with: gristmill init NAME --recipe {name}"
        )
    module, attribute = catalogue.home(name)
    source = Path(catalogue.__file__).with_name(f"{module}.py")
    data = {
        option.name: match[1]
        for option in options_of(catalogue.recipe(name))
        if (match := _DATA.search(option.meaning))
    }
    files = {MODULES / f"{module}.py": absolute(source.read_text(encoding="utf-8"))}
    files |= {MODULES / file: (DATA / file).read_text(encoding="utf-8") for file in data.values()}
    if there := [str(path) for path in files if path.exists()]:
        raise ConfigError(f"{', '.join(there)} would be replaced by the copy; move it away, or work on with it")
    prompts = {PROMPTS / path.name: path.read_text(encoding="utf-8") for path in _prompts(name)}
    prompts[MODULES / "__init__.py"] = ""  # without it an installed package called `recipes` would be found first
    return Copy(
        recipe=f"{MODULES}.{module}:{attribute}",
        files=files | {path: text for path, text in prompts.items() if not path.exists()},
        kept=tuple(path for path in prompts if path.exists()),
        options={option: f"{MODULES}/{file}" for option, file in data.items()},
    )


def absolute(source: str, package: str = HERE) -> str:
    """Returns a module's source with its relative imports, meant from `package`, made absolute."""
    parts = package.split(".")

    def named(match: re.Match[str]) -> str:
        base = parts[: len(parts) - len(match[2]) + 1]
        return f"{match[1]}{'.'.join([*base, *([match[3]] if match[3] else [])])}{match[4]}"

    return _RELATIVE.sub(named, source)


def _prompts(name: str) -> list[Path]:
    """The files of the prompts that the flow asks by its default options."""
    found = catalogue.recipe(name)
    if found.flow is None:
        return []
    nodes = found.flow(found.options()).nodes.values()
    names = dict.fromkeys(info.prompt for node in nodes for info in infos_of(node) if info.prompt)
    return [PromptLibrary().get(one).path for one in names]
