"""Extractions and rulings to resolve entities from."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import strategies as st

from gristmill.agents.extraction.records import Extraction, FoundEntity, FoundRelation
from gristmill.storage.records import Span
from gristmill.storage.rulings import Ruled, Ruling

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


def entity(name: str, type: str = "concept", chunk: str = "c1", *, typed: bool = True, **more: object) -> FoundEntity:
    mention = Span(chunk=chunk, start=0, end=len(name), quote=name)
    return FoundEntity(name=name, type=type, typed=typed, mentions=(mention,), **more)  # type: ignore[arg-type]


def chunk(id: str, *found: tuple[str, str] | FoundEntity, relations: list[FoundRelation] | None = None) -> Extraction:
    entities = tuple(one if isinstance(one, FoundEntity) else entity(one[0], one[1], id) for one in found)
    return Extraction(chunk=id, entities=entities, relations=tuple(relations or ()))


def ruling(action: Ruled, left: str = "", right: str = "", *, at: int = 0, by: str = "person:Ada", **more) -> Ruling:
    id = f"{action}-{left[-6:]}-{right[-6:]}-{at}-{by}-{more.get('undoes', '')}"[:100]
    return Ruling(id=id, action=action, left=left, right=right, by=by, at=NOON + timedelta(minutes=at), **more)


WORDS = [
    *(
        "World",
        "Health",
        "Organization",
        "Organisation",
        "WHO",
        "World Health Organization",
        "Health World",
        "Apollo 11",
    ),
    *(
        "Apollo 12",
        "Apollo",
        "Barack Obama",
        "Obama",
        "B. Obama",
        "Mercury",
        "Mercury (planet)",
        "mercurys",
        "U.S.",
        "US",
    ),
    *("transformers", "transfromers", "—"),
]


TYPES = ["person", "place", "organization", "substance", "concept"]


@st.composite
def found(draw: st.DrawFn) -> list[Extraction]:
    return [
        chunk(
            f"c{index}",
            *(
                entity(
                    name,
                    draw(st.sampled_from(TYPES)),
                    f"c{index}",
                    typed=draw(st.booleans()),
                    aliases=tuple(draw(st.lists(st.sampled_from(["WHO", "Obama", "US"]), max_size=1))),
                )
                for name in draw(st.lists(st.sampled_from(WORDS), max_size=5))
            ),
        )
        for index in range(draw(st.integers(1, 7)))
    ]
