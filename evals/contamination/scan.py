"""Looks through texts for personal data and secrets; see `personal` and `credentials` for what is recognised."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from ...errors import ConfigError, require_kind, require_texts
from .credentials import rules, secrets_in
from .patterns import utf8
from .personal import FINDERS, Finder, require_libraries, require_regions
from .sightings import Sighting, apart
from .texts import Cell

USUAL = ("email", "phone", "card", "iban", "ssn", "secret")
_KINDS: dict[str, Finder] = {**FINDERS, "secret": secrets_in}
_GROUPS = {"pii": ("email", "phone", "card", "iban", "ssn"), "all": tuple(_KINDS)}


class ScanSettings(BaseModel):
    """What no item may contain. Without `find` nothing is looked for.

    find:    kinds: `email`, `phone`, `card`, `iban`, `ssn`, `ip`, `secret`; `pii` are the first five, `all` are all.
    regions: countries (`US`, `DE`) whose phone numbers count without the `+` and the country's code.
    allow:   what may stand there, `*` for any characters: `press@acme.io`, `*@acme.io`.
    on_fail: `reject`, or `revise` to have the refiner take it out.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    find: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    allow: tuple[str, ...] = ()
    on_fail: Literal["reject", "revise"] = Field(default="reject")


class Scanner:
    """Finds what `settings` name. Reads nothing else, keeps nothing of a text."""

    def __init__(self, settings: ScanSettings) -> None:
        """Raises `ConfigError` for an unknown kind or region, or where the extra `pii` is not installed."""
        kinds: dict[str, Finder] = {}
        for name in settings.find:
            inner = _GROUPS.get(name, (name,))
            if any(kind not in _KINDS for kind in inner):
                raise ConfigError(f"no kind of data is called '{name}'; there are {', '.join([*_KINDS, *_GROUPS])}")
            kinds.update({kind: _KINDS[kind] for kind in inner})
        if "secret" in kinds:
            rules()
        if set(kinds) - {"secret", "email", "ip"}:
            require_libraries()
        if settings.regions and (wrong := require_regions(settings.regions)):
            raise ConfigError(f"no region is called '{wrong}'; give ISO 3166 codes such as 'US' or 'DE'")
        self.kinds = tuple(sorted(kinds))
        self._finders = tuple(kinds.values())
        self._regions = settings.regions
        self._allow = tuple(pattern.lower() for pattern in settings.allow)

    def scan(self, text: str) -> list[Sighting]:
        """Returns what a text contains, in its order; spans are of the text's characters."""
        require_kind("text", text, str, "give one text at a time")
        text = utf8(text)
        return apart(
            one
            for find in self._finders
            for one in find(text, self._regions)
            if not self._allowed(text[one.start : one.end])
        )

    def scan_cells(self, cells: Iterable[Cell]) -> list[Sighting]:
        """Returns what several texts contain, each sighting with its place."""
        return [replace(one, place=cell.place) for cell in cells for one in self.scan(cell.text)]

    def _allowed(self, written: str) -> bool:
        return any(fnmatchcase(written.lower(), pattern) for pattern in self._allow)


def scan(
    text: str, find: Sequence[str] = USUAL, *, regions: Sequence[str] = (), allow: Sequence[str] = ()
) -> list[Sighting]:
    """Returns the personal data and secrets of one text; `masked` takes them out. For many texts keep a `Scanner`.

    Raises:
        ConfigError: an unknown kind or region; the extra `pii` is not installed.
    """
    for name, several in (("find", find), ("regions", regions), ("allow", allow)):
        require_texts(name, several)
    return Scanner(ScanSettings(find=tuple(find), regions=tuple(regions), allow=tuple(allow))).scan(text)
