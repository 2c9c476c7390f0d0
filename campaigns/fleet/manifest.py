"""What a fleet must agree on: package, flow, prompts, recipe and options. A worker that differs is refused by name."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import orjson

from ...errors import ConfigError
from ...graphs.flows.check import builder_of, infos_of
from ...graphs.flows.picture import mermaid
from ..prepare import Prepared, versions_of
from ..spec import CampaignSpec, with_files

LEASE, RUN = "lease", "run"


def manifest_of(spec: CampaignSpec, prepared: Prepared) -> dict[str, Any]:
    """Returns versions as JSON values, for two machines to compare before they share tasks.

    What differs in them runs differently. The reverse is not promised: a node is known by its own compiled code, so a
    changed function that it calls, or a value that it closes over, is not seen. Another Python minor version differs.
    """
    nodes = builder_of(prepared.flow).nodes
    versions = versions_of(
        spec, prepared, () if all(any(infos_of(node)) for node in nodes.values()) else _own(prepared)
    )
    return {
        "package": metadata.version("gristmill"),
        "recipe": spec.recipe,
        "options": with_files(orjson.loads(prepared.options.model_dump_json()), lambda name: Path(name).name),
        "flow": _digest(mermaid(prepared.flow)),
        "nodes": {name: _digest(_source(node.runnable)) for name, node in sorted(nodes.items())},
        "prompts": versions,
        "kind": prepared.kind,
        "guards": {guard.name: guard.version for guard in prepared.guards},
        **({"embedder": spec.novelty.embedder} if spec.novelty.semantic or spec.contamination.semantic else {}),
    }


def _own(prepared: Prepared) -> list[str]:
    """All prompts of the user's folders: a node that tells nothing may ask any of them."""
    return sorted({path.stem for folder in prepared.prompts.folders for path in folder.glob("*.md")})


def told(manifest: Mapping[str, Any], *, lease: float, run: str) -> dict[str, Any]:
    """Adds what workers are told: the run's name, and the lease in seconds: one that beats too seldom seems dead."""
    return {**manifest, LEASE: lease, RUN: run}


def require_same_run(before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Raises `ConfigError` when the coordinator works on another run than it did before."""
    if before.get(RUN) != now.get(RUN):
        raise ConfigError("the coordinator works on another run of this name now; start this worker again to join it")


def lease_of(manifest: Mapping[str, Any], otherwise: float) -> float:
    """Returns the lease that the coordinator says, or `otherwise`."""
    lease = manifest.get(LEASE)
    return float(lease) if isinstance(lease, int | float) and lease > 0 else otherwise


def require_same(coordinator: Mapping[str, Any], mine: Mapping[str, Any]) -> None:
    """Raises `ConfigError` with everything in which this worker differs from the coordinator."""
    lines = []
    for key in sorted({*coordinator, *mine} - {LEASE, RUN}):
        theirs, ours = coordinator.get(key), mine.get(key)
        if theirs == ours:
            continue
        if isinstance(theirs, dict) and isinstance(ours, dict):
            differing = sorted(name for name in {*theirs, *ours} if theirs.get(name) != ours.get(name))
            lines += [
                f"  {key} '{name}': the coordinator has {theirs.get(name)}, this worker {ours.get(name)}"
                for name in differing
            ]
        else:
            lines.append(f"  {key}: the coordinator has {theirs}, this worker {ours}")
    if lines:
        raise ConfigError(
            "this worker does not run what the coordinator runs:\n"
            + "\n".join(lines)
            + "\nbring both to the same version of the package, the flow's module and the prompt folders"
        )


def _source(runnable: Any) -> str:
    function = getattr(runnable, "afunc", None) or getattr(runnable, "func", None)
    if function is None:
        return type(runnable).__qualname__
    code = getattr(inspect.unwrap(function), "__code__", None)
    if code is None:
        return type(function).__qualname__
    # Compiled code and its constants, not the text: a comment or another line number changes nothing.
    constants = [str(value) for value in code.co_consts if isinstance(value, str | int | float)]
    return "\n".join([code.co_name, code.co_code.hex(), *code.co_names, *constants])


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=6).hexdigest()
