"""The prompts that made an item, as far as their files still are what they were."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...errors import PromptError
from ...prompts.library import PromptLibrary

SHOWN = 100_000  # characters of a template


@dataclass(frozen=True, slots=True)
class PromptView:
    """A prompt by name and version; `text` is its template, or empty, and then `why` says why it cannot be shown."""

    name: str
    version: str
    text: str = ""
    why: str = ""


def prompts_of(versions: Mapping[str, str], campaign: Mapping[str, Any]) -> tuple[PromptView, ...]:
    """Returns the prompts named in an item's lineage. Reads files: call it in a thread.

    The store keeps a prompt's version, the hash of its file; the text is shown when the file found still has it.
    """
    folders = tuple(path for path in map(Path, campaign.get("prompts") or ()) if path.is_dir())
    library = PromptLibrary(folders)
    return tuple(_view(name, version, library) for name, version in versions.items())


def _view(name: str, version: str, library: PromptLibrary) -> PromptView:
    try:
        prompt = library.get(name)
        text = prompt.path.read_text(encoding="utf-8")
    except (PromptError, OSError, UnicodeDecodeError):
        return PromptView(name, version, why="its file is not where this server looks for prompts")
    if prompt.version != version:
        return PromptView(name, version, why=f"its file has changed since; it is version {prompt.version} now")
    return PromptView(name, version, text=text[:SHOWN])
