"""What a scan for personal data and secrets finds: kind and span, never the words themselves."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Sighting:
    """Characters `[start, end)` of the text at `place` that are personal data or a secret.

    `kind` is `email`, `phone`, `card`, `iban`, `ssn`, `ip` or `secret`; `rule` says which of the secrets' rules. The
    characters are kept nowhere in it: a report of a leak must not be the next one.
    """

    kind: str
    start: int
    end: int
    place: str = ""
    rule: str = ""

    @property
    def reason(self) -> str:
        """The reason code: `secret` or `pii`."""
        return "secret" if self.kind == "secret" else "pii"

    @property
    def described(self) -> str:
        """One line for people and refiners."""
        what = f"{self.kind} ({self.rule})" if self.rule else self.kind
        return f"{what} in {self.place or 'the text'}[{self.start}:{self.end}]"


def masked(text: str, found: Iterable[Sighting]) -> str:
    """Returns `text` with each sighting's characters replaced by its kind, as `[email]`."""
    for one in sorted(found, key=lambda one: -one.start):
        text = f"{text[: one.start]}[{one.kind}]{text[one.end :]}"
    return text


def apart(found: Iterable[Sighting]) -> list[Sighting]:
    """Returns the sightings in their order, of those that overlap a secret or else the longest: a card's digits are no
    phone number."""
    kept: list[Sighting] = []
    for one in sorted(found, key=lambda one: (one.kind != "secret", one.start - one.end, one.start)):
        at = bisect_left(kept, one.end, key=lambda other: other.start)  # of those that begin before its end, the last
        if at == 0 or kept[at - 1].end <= one.start:
            kept.insert(at, one)
    return kept
