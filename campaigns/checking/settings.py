"""Whether a campaign goes on with the settings that its run was started with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ...errors import ConfigError
from ...models.redact import redact_values
from ...storage.store import RunStore
from ..spec import CampaignSpec
from ..steering.spec import AttributesSpec


def require_same_settings(store: RunStore, spec: CampaignSpec) -> None:
    """Raises `ConfigError` for a run that was started with other settings of what decides on its items; names them."""
    before = store.mark("identity")
    if before is None:
        return
    now = redact_values(spec.identity)
    (before.get("options") or {}).pop("minimum", None)  # runs of before it could change
    if "attributes" in before:
        now.setdefault("attributes", redact_values(AttributesSpec().model_dump(mode="json")))
    changed = list(_differences(before, now))
    new = not store.books().planned
    paid = store.count("calls")
    if new and not paid and not any(store.count(table) for table in ("chunks", "entities")):
        return  # the start ended before anything was read or asked: all can be mended
    if new:  # a start that ended at its options has done nothing by them: they can be mended
        changed = [one for one in changed if one[0] != "options" and not one[0].startswith("options.")]
    if changed:
        what = ", ".join(f"{key} (was {was!r:.60}, is {is_!r:.60})" for key, was, is_ in changed)
        raise ConfigError(
            f"the run in {spec.folder} was started with other settings: {what}; "
            f"put them back to resume it, or give the campaign another name"
            + (f"; no task was planned there, so {spec.folder} may be removed too" if new and not paid else "")
        )


def _differences(before: Mapping[str, Any], now: Mapping[str, Any], under: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Yields (key, was, is) of the settings that differ, those of a table by their own names."""
    for key in sorted(now):
        was, is_ = before.get(key), now[key]
        if isinstance(was, Mapping) and isinstance(is_, Mapping):
            yield from _differences(was, {**dict.fromkeys(was), **is_}, f"{under}{key}.")
        elif was != is_:
            yield f"{under}{key}", was, is_
