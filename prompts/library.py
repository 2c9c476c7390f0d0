"""Loads and renders prompt templates.

A template is a Markdown file: YAML front matter (`description`, `schema`, optional `temperature`, `top_p`,
`max_tokens`, `stop`, and `scores`, the names of those that it asks for), then `## system`, `## user` and, for reward
models, `## assistant` parts, each Jinja text; or one `## text` part, which a model goes on with as it stands, without a
chat template (base models). Templates are operator files only: rendering is sandboxed, immutable and strict, and text
from documents or models enters as values, wrapped by the `data` filter, never as template source.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cached_property
from math import inf
from os import PathLike
from pathlib import Path
from typing import Any

import yaml
from jinja2 import StrictUndefined, Template, TemplateError, TemplateSyntaxError, UndefinedError, meta
from jinja2.sandbox import ImmutableSandboxedEnvironment
from pydantic import BaseModel

from ..errors import PromptError, require_kind, what_is
from ..storage.records import Message
from .answer_schemas import schema_of

BUILT_IN = Path(__file__).parent
NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")
PART = re.compile(r"^## (system|user|assistant|text)[ \t]*$", re.MULTILINE)
CODE = re.compile(r"[a-z0-9]+(_[a-z0-9]+)*")  # what the name of a score becomes in an answer
_NO_WORD = re.compile(r"[^a-z0-9]+")
TEXT = "text"  # the part that is no message


def data(value: object) -> str:
    """Wraps untrusted text in a pair of tags that the text itself cannot contain.

    The tag carries a hash of the text, so it is the same in every call (the call cache and a server's prefix cache
    depend on that) and a document would have to contain the hash of itself to close it.
    """
    text = str(value)
    mark = hashlib.blake2b(text.encode(), digest_size=6).hexdigest()
    return f"<data-{mark}>\n{text}\n</data-{mark}>"


def _environment() -> ImmutableSandboxedEnvironment:
    # autoescape would turn `<` of a passage into `&lt;`: prompts are plain text, not HTML.
    environment = ImmutableSandboxedEnvironment(
        undefined=StrictUndefined, autoescape=False, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=False
    )
    environment.filters["data"] = data
    return environment


_ENVIRONMENT = _environment()


@dataclass(frozen=True)
class Prompt:
    """A template ready to render. `version` is the hash of its file, `variables` are the names that it reads.

    A part that reads no variable, as most `system` parts, is a message already. `sampling` is what the front matter
    says of how to draw an answer. `scores` are the names of the scores that it says it asks for, `words` its text in
    lower case, words apart by `_`.
    """

    name: str
    version: str
    description: str
    path: Path
    parts: tuple[tuple[str, Template | Message], ...]
    variables: frozenset[str]
    schema: type[BaseModel] | None = None
    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    scores: tuple[str, ...] = ()
    words: str = field(default="", repr=False)

    def asks_for(self, score: str) -> bool:
        """Whether an answer may have a score of this name: one of `scores`, or of the text where it lists none."""
        return score in self.scores if self.scores else f"_{score}_" in self.words

    @property
    def is_text(self) -> bool:
        """Whether a model goes on with the text as it stands, in place of answering messages."""
        return self.parts[0][0] == TEXT

    def render_text(self, variables: Mapping[str, Any]) -> str:
        """Renders the text that a model is to go on with, exactly as the template has it.

        The line break behind `## text` and the last one of the file are not part of it: `{{ "\\n" }}` is, at its end.

        Raises:
            PromptError: a variable is missing, or the template fails; names both.
        """
        return self.render(variables)[0].content

    def render(self, variables: Mapping[str, Any]) -> tuple[Message, ...]:
        """Renders the messages.

        Raises:
            PromptError: a variable is missing, or the template fails; names both.
        """
        try:
            return tuple(
                part if isinstance(part, Message) else _message(role, part.render(variables))
                for role, part in self.parts
            )
        except UndefinedError as error:
            raise PromptError(
                f"prompt '{self.name}' ({self.path}) asks for a variable that it was not given: {error.message}; "
                f"it was given {', '.join(sorted(variables)) or 'nothing'}"
            ) from error
        except TemplateError as error:
            raise PromptError(f"prompt '{self.name}' ({self.path}) failed to render: {error}") from error


@dataclass(frozen=True)
class PromptLibrary:
    """Finds prompts by name: the user's folders first, in order, then the built-in ones."""

    folders: tuple[Path, ...] = ()
    _loaded: dict[str, Prompt] = field(default_factory=dict, compare=False, repr=False)

    @classmethod
    def of(cls, folders: Sequence[str | Path] = ()) -> PromptLibrary:
        """Makes a library over `folders`; raises `PromptError` when one does not exist."""
        if isinstance(folders, str | PathLike) or not isinstance(folders, Iterable):
            said = f"['{folders}']" if isinstance(folders, str | PathLike) else '["prompts"]'
            raise PromptError(f"prompt folders is {what_is(folders)}; give a list of folders: {said}")
        paths = tuple(Path(folder) for folder in folders)
        for path in paths:
            if not path.is_dir():
                raise PromptError(f"prompt folder '{path}' does not exist; create it or remove it from `prompts`")
        return cls(paths)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """All names, sorted."""
        return tuple(sorted({path.stem for folder in (*self.folders, BUILT_IN) for path in folder.glob("*.md")}))

    def get(self, name: str) -> Prompt:
        """Returns the prompt called `name`; raises `PromptError` naming what exists when there is none."""
        found = self._loaded.get(name)
        if found is None:
            found = self._loaded[name] = self._load(name)
        return found

    def _load(self, name: str) -> Prompt:
        require_kind("a prompt's name", name, str, "give the name of its file, without .md")
        if NAME.fullmatch(name):  # a name is never a path
            for folder in (*self.folders, BUILT_IN):
                path = folder / f"{name}.md"
                if path.is_file():
                    return read_prompt(path)
        near = get_close_matches(name, self.names, n=3)
        own = f"in {', '.join(map(str, self.folders))}" if self.folders else "no folder: `prompts` names none"
        meant = f"did you mean {' or '.join(map(repr, near))}?" if near else f"write {name}.md (docs/prompts.md)"
        raise PromptError(f"no prompt is called '{name}'; {meant} (looked among the built-in ones and {own})")


def read_prompt(path: Path) -> Prompt:
    """Reads one template file; raises `PromptError` naming the file and what is wrong with it."""
    source = path.read_text(encoding="utf-8")
    header, body = _split_front_matter(source, path)
    pieces = PART.split(body)
    if len(pieces) < 3 or pieces[0].strip():
        raise PromptError(
            f"prompt file {path} needs a line '## system', '## user', '## assistant' or '## text' before its text"
        )
    if TEXT in pieces[1::2] and len(pieces) > 3:
        raise PromptError(f"prompt file {path} has '## text' beside another part; a text to go on with stands alone")
    parts: list[tuple[str, Template | Message]] = []
    variables: set[str] = set()
    for role, text in zip(pieces[1::2], pieces[2::2], strict=True):
        try:
            read = meta.find_undeclared_variables(_ENVIRONMENT.parse(text))
            template = _ENVIRONMENT.from_string(text)
            fixed = not read and "{" not in text
            parts.append((role, _message(role, template.render()) if fixed else template))
            variables |= read
        except TemplateSyntaxError as error:
            raise PromptError(f"prompt file {path}, '{role}' part, line {error.lineno}: {error.message}") from error
    schema = None
    if said := header.pop("schema", None):
        try:
            schema = schema_of(said, path.stem)
        except PromptError as error:
            raise PromptError(f"prompt file {path}: {error}") from error
    if schema is not None and pieces[1] == TEXT:
        raise PromptError(f"prompt file {path} names a schema, and a text that a model goes on with cannot keep to one")
    _require_numbers(header, path)
    stop = header.get("stop", [])
    if not isinstance(stop, list) or not all(isinstance(mark, str) and mark for mark in stop):
        raise PromptError(f'prompt file {path} has stop: {stop!r}; give a list of texts, such as ["\\n\\n"]')
    scores = header.get("scores", [])
    if not isinstance(scores, list) or not all(isinstance(name, str) and CODE.fullmatch(name) for name in scores):
        raise PromptError(
            f"prompt file {path} has scores: {scores!r}; give a list of names in lower case, such as [correct, valid]"
        )
    known = {"description", "temperature", "top_p", "max_tokens", "stop", "scores"}
    if unknown := set(header) - known:
        known.add("schema")
        near = get_close_matches(min(unknown), known, n=1)
        meant = f"; did you mean '{near[0]}'?" if near else ""
        raise PromptError(
            f"prompt file {path} has unknown front matter {', '.join(sorted(unknown))}{meant} (there are: "
            f"{', '.join(sorted(known))})"
        )
    return Prompt(
        name=path.stem,
        version=hashlib.blake2b(source.encode(), digest_size=6).hexdigest(),
        description=str(header.get("description", "")),
        path=path,
        parts=tuple(parts),
        variables=frozenset(variables),
        schema=schema,
        temperature=header.get("temperature"),
        top_p=header.get("top_p"),
        max_tokens=header.get("max_tokens"),
        stop=tuple(stop),
        scores=tuple(scores),
        words=f"_{_NO_WORD.sub('_', body.lower())}_",
    )


def _require_numbers(header: Mapping[str, Any], path: Path) -> None:
    for name, kinds, least in (("temperature", (int, float), 0), ("top_p", (int, float), 0), ("max_tokens", (int,), 1)):
        value = header.get(name)
        if value is not None and (type(value) not in kinds or not least <= value < inf):
            raise PromptError(f"prompt file {path} has {name}: {value!r}; give a number of {least} or more")


def _message(role: str, text: str) -> Message:
    """A message has no blanks around it; a text to go on with is as it stands, since a blank at its end counts."""
    return Message(role=role, content=text.removeprefix("\n") if role == TEXT else text.strip())


def _split_front_matter(source: str, path: Path) -> tuple[dict[str, Any], str]:
    if not source.startswith("---\n") or "\n---\n" not in source[3:]:
        raise PromptError(f"prompt file {path} needs YAML front matter between two lines '---' at its top")
    head, body = source[4:].split("\n---\n", 1)
    try:
        header = yaml.safe_load(head) or {}
    except yaml.YAMLError as error:
        raise PromptError(f"prompt file {path} has front matter that is not YAML: {error}") from error
    if not isinstance(header, dict):
        raise PromptError(f"prompt file {path} has front matter that is not a mapping: {head!r}")
    return header, body
