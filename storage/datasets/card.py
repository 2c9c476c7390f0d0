"""The dataset card: README.md of a Hugging Face dataset folder.

What models and documents wrote is escaped: it can neither leave its code block nor start a tag, a link or a table cell.
"""

from __future__ import annotations

import hashlib
import html
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson
import yaml

from ..records import Item
from ..reviews import Action, Review
from .columns import Columns, features
from .shapes import Row

EXAMPLES = 3
PEOPLE = {
    Action.ACCEPT: "accepted",
    Action.EDIT: "edited",
    Action.REJECT: "rejected",
    Action.SEND_BACK: "sent back",
}
_LONGEST_EXAMPLE_TEXT = 600  # characters of each string in an example row
_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"),
          (10_000_000, "1M<n<10M"), (100_000_000, "10M<n<100M"))  # fmt: skip
MOST_LABELS = 1000  # of a data set with classes; labels that are more are text of the models' making
_WHOLE = (
    "`messages` is what to train on. `documents`, `chunks` and `evidence` lead back to the source: a span is "
    "characters `[start, end)` of its chunk. `fields`, `attributes`, `models` and `prompts` are JSON text.\n"
)
_LABELLED = "`text` is what is classified, `label` what as. `id` is the item's.\n"
_CLASSES = "A label is a name in the file, its number for readers that know classes, in the order of the table above.\n"
_MARKUP = re.compile(r"([\\`*_{}\[\]()#!|~])")


@dataclass(frozen=True)
class CardInfo:
    """What the items themselves do not say. `license` is a Hugging Face identifier, such as `cc-by-4.0`.

    `pending` counts tasks that have no item yet; `languages` are ISO 639 codes; `selection` says how the items were
    chosen from more, in words by name.
    """

    name: str = "dataset"
    recipe: str = ""
    license: str = "unknown"
    languages: tuple[str, ...] = ()
    description: str = ""
    pending: int = 0
    selection: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Tally:
    """Counts over all items: how many by status and by reason, who made them, what people decided."""

    statuses: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    models: dict[str, set[str]] = field(default_factory=dict)
    prompts: dict[str, set[str]] = field(default_factory=dict)
    people: Counter[str] = field(default_factory=Counter)  # by what a person decided

    @property
    def described(self) -> str:
        """How many items people decided, in a sentence."""
        parts = [f"{count} {PEOPLE[Action(action)]}" for action, count in self.people.most_common()]
        return f"people decided {self.people.total()} of {self.statuses.total()} items: {', '.join(parts)}"

    def add(self, item: Item, decision: Review | None = None) -> None:
        """Counts one item. One with several reasons counts under each of them."""
        if decision is not None:
            self.people[decision.action.value] += 1
        self.statuses[item.status.value] += 1
        self.reasons.update(item.reasons)
        for role, model in item.models.items():
            self.models.setdefault(role, set()).add(model)
        for prompt, version in item.prompts.items():
            self.prompts.setdefault(prompt, set()).add(version)


@dataclass
class Shown:
    """What a card says of the rows of one format: kept while they are written.

    `examples` are the first of them; `digest` is a hash of all. It stands in the header because `datasets` 5.2 keeps
    what it has read under a hash of the header alone, so a second export, even of another run, would be answered with
    the rows of the first. `labels` counts rows by label and side, where rows have one.
    """

    examples: list[Row] = field(default_factory=list)
    digest: hashlib.blake2b = field(default_factory=lambda: hashlib.blake2b(digest_size=12))
    labels: dict[str, Counter[str]] = field(default_factory=dict)

    def add(self, side: str, row: Row) -> None:
        """Takes one row that was written."""
        self.digest.update(orjson.dumps([side, row]))
        if len(self.examples) < EXAMPLES:
            self.examples.append(row)
        if "label" in row and (row["label"] in self.labels or len(self.labels) <= MOST_LABELS):
            self.labels.setdefault(row["label"], Counter())[side] += 1

    @property
    def classes(self) -> list[str]:
        """The labels in their order, which is that of their numbers; none where they are no classes but free text."""
        return sorted(self.labels) if len(self.labels) <= MOST_LABELS else []


def card_text(
    info: CardInfo,
    tally: Tally,
    counts: Mapping[str, int],
    files: Mapping[str, str],
    note: str,
    shown: Shown,
    columns: Columns,
) -> str:
    """Returns the whole README.md. `counts` are rows by side (`train`, `validation`), `files` the path or pattern of
    each side's data beside the card; `note` says how they were split.

    The types of the `columns` stand in the header: without them a reader guesses from the first rows, and fails when a
    list is empty in these.
    """
    classes = shown.classes
    rows = sum(counts.values())
    front = {
        "pretty_name": info.name,
        "license": info.license,
        **({"language": list(info.languages)} if info.languages else {}),
        "size_categories": [next((name for limit, name in _SIZES if rows < limit), "n>100M")],
        "tags": ["synthetic", "gristmill"],
        **({"task_categories": ["text-classification"]} if classes else {}),
        "configs": [
            {
                "config_name": "default",
                "description": f"rows {shown.digest.hexdigest()}",
                "data_files": [{"split": side, "path": path} for side, path in files.items()],
            }
        ],
        "dataset_info": {"config_name": "default", "features": features(columns, classes)},
    }
    statuses = {**tally.statuses, **({"pending": info.pending} if info.pending else {})}
    parts = [
        f"---\n{yaml.safe_dump(front, sort_keys=False, allow_unicode=True)}---\n",
        f"# {_inline(info.name)}\n",
        _inline(info.description) + "\n" if info.description else "",
        f"Synthetic data made with gristmill, recipe {_inline(info.recipe) or 'not named'}. "
        f"Licence: {_inline(info.license)}.\n",
        "## Rows\n",
        _table("split", "rows", counts),
        f"{_inline(note)}\n",
        "## Labels\n" if classes else "",
        _table("label", " / ".join(counts), {label: _by_side(shown.labels[label], counts) for label in classes})
        if classes
        else "",
        "## Selection\n" if info.selection else "",
        "The rows are a part of the items that were accepted.\n" if info.selection else "",
        _table("what", "how", info.selection) if info.selection else "",
        "## Items by status\n",
        _table("status", "items", dict(sorted(statuses.items()))),
        "## Decided by people\n" if tally.people else "",
        _table("decision", "items", {PEOPLE[Action(key)]: value for key, value in tally.people.most_common()})
        if tally.people
        else "",
        f"{_inline(tally.described).capitalize()}. The others are as the critics left them.\n" if tally.people else "",
        "## Reasons of rejection and failure\n" if tally.reasons else "",
        _table("reason", "items", dict(tally.reasons.most_common())) if tally.reasons else "",
        "## Models\n" if tally.models else "",
        _table("role", "models", _joined(tally.models)) if tally.models else "",
        "## Prompts\n" if tally.prompts else "",
        _table("prompt", "versions", _joined(tally.prompts)) if tally.prompts else "",
        "## Columns\n",
        _LABELLED if "label" in columns else _WHOLE,
        _CLASSES if classes else "",
        "## Example rows\n" if shown.examples else "",
        *(_block(example) for example in shown.examples),
    ]
    return "\n".join(part for part in parts if part)


def _by_side(counted: Counter[str], sides: Mapping[str, int]) -> str:
    return " / ".join(str(counted[side]) for side in sides)


def _table(left: str, right: str, rows: Mapping[str, object]) -> str:
    lines = [f"| {left} | {right} |", "|---|---|"]
    lines += [f"| {_inline(str(key))} | {_inline(str(value))} |" for key, value in rows.items()]
    return "\n".join(lines) + "\n"


def _joined(values: Mapping[str, set[str]]) -> dict[str, str]:
    return {key: ", ".join(sorted(found)) for key, found in sorted(values.items())}


def _inline(text: str) -> str:
    """Escapes text for a Markdown paragraph or table cell, on one line."""
    return _MARKUP.sub(r"\\\1", html.escape(" ".join(text.split()), quote=False))


def _block(row: Row) -> str:
    """Returns `row` as JSON in a fence longer than any run of backticks in it."""
    body = orjson.dumps(_shortened(row), option=orjson.OPT_INDENT_2).decode()
    longest = max((len(run) for run in re.findall(r"`+", body)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}json\n{body}\n{fence}\n"


def _shortened(value: Any) -> Any:
    if isinstance(value, str):
        return value if len(value) <= _LONGEST_EXAMPLE_TEXT else value[:_LONGEST_EXAMPLE_TEXT] + "..."
    if isinstance(value, list):
        return [_shortened(one) for one in value]
    if isinstance(value, dict):
        return {key: _shortened(one) for key, one in value.items()}
    return value
