"""Which embedder a person or a campaign means by what it names, and how it is reached."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ...errors import ConfigError
from ...models.spec import ModelSpec
from ...storage.store import RunStore
from ..gating.novelty import HASHED, LOCAL

AUTO, NONE = "auto", "none"
SERVED = ("openai_api/", "litellm/")
RETRIES = 3  # of a request, unless the server says when: somebody is waiting
PATIENCE = 10.0  # seconds that the server may be gone
MEND = f"give --embedder {HASHED} to compare wording only, or another embedder"


@dataclass(frozen=True)
class Wanted:
    """An embedder that is to be made.

    name:     `hashed`, `sentence-transformers:MODEL`, `openai_api/MODEL`, `none`.
    model:    how a server of it is reached.
    campaign: whose embedder it is; empty where a person named it, or where no campaign was there to name one.
    missing:  why it cannot be made; empty where it can.
    """

    name: str
    model: ModelSpec | None = None
    campaign: str = ""
    missing: str = ""

    @property
    def whose(self) -> str:
        """Whom it was named by, for people."""
        return f"the embedder of the campaign '{self.campaign}'" if self.campaign else "the embedder"

    def mended(self, error: object) -> str:
        """Why it made no vectors, and the mend."""
        return f"{self.whose} failed: {error}; {MEND}"


def named(name: str, base_url: str = "", key_env: str = "") -> Wanted:
    """The embedder that a person names.

    Raises:
        ConfigError: there is none of this name.
    """
    if name.startswith(SERVED):
        at = {**({"base_url": base_url} if base_url else {}), **({"api_key_env": key_env} if key_env else {})}
        return Wanted(name, _patient(ModelSpec.of({"model": name, **at})))
    if name in (HASHED, NONE) or name.startswith(LOCAL):
        return Wanted(name)
    raise ConfigError(
        f"no embedder is called '{name}'; give '{AUTO}', '{HASHED}', '{LOCAL}MODEL', 'openai_api/MODEL' with "
        f"--base-url, or '{NONE}'"
    )


def wanted(name: str, base_url: str, key_env: str, runs: Iterable[RunStore]) -> tuple[Wanted, str]:
    """The embedder that is named, of `auto` that of the first run's campaign, and a note where another's differs.

    One embedder serves all that is compared. Without a run, and for a campaign that names none, it is `hashed`.

    Raises:
        ConfigError: there is none of this name; a server is given and no model of it.
    """
    if name != AUTO:
        return named(name, base_url, key_env), ""
    if base_url or key_env:
        raise ConfigError("--base-url and --api-key-env say where a model is; name it: --embedder openai_api/MODEL")
    found = [of_campaign(store) for store in runs] or [Wanted(HASHED)]
    first = found[0]
    others = [one for one in found[1:] if one.name != first.name]
    if not others:
        return first, ""
    names = ", ".join(dict.fromkeys(f"'{one.name}' ({one.campaign})" for one in others))
    ours = f"'{first.name}' ({first.campaign})"
    return first, f"campaigns have different embedders: all vectors are by {ours}, none by {names}"


def of_campaign(store: RunStore) -> Wanted:
    """The embedder that a run's campaign names in `novelty.embedder`: what `missing` says, where it is out of reach."""
    campaign: Mapping[str, Any] = store.mark("campaign") or {}
    name = str((campaign.get("novelty") or {}).get("embedder") or HASHED)
    of = str(campaign.get("name") or "")
    if name == HASHED or name.startswith(LOCAL):
        return Wanted(name, campaign=of)
    given = (campaign.get("models") or {}).get(name)
    if given is None:
        return Wanted(name, campaign=of, missing=f"'{name}' is an object of Python, which no file can tell")
    model = _patient(ModelSpec.of(given))
    return Wanted(model.model, model, of)


def _patient(spec: ModelSpec) -> ModelSpec:
    return spec.model_copy(update={"retries": RETRIES, "patience": PATIENCE})
