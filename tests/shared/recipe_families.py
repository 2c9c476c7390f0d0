"""The cases of all recipes by name, gathered from the files of their families."""

from __future__ import annotations

from recipes_code import CASES as CODE
from recipes_documents import CASES as FROM_DOCUMENTS
from recipes_graph import CASES as FROM_THE_GRAPH
from recipes_points import CASES as FROM_POINTS
from recipes_reasoning import CASES as REASONING
from recipes_searches import CASES as SEARCHES
from recipes_student import CASES as WITH_A_STUDENT
from seed_recipes import CASES as FROM_SEEDS
from seed_recipes import Case

FAMILIES: tuple[dict[str, Case], ...] = (
    FROM_THE_GRAPH,
    FROM_POINTS,
    FROM_DOCUMENTS,
    FROM_SEEDS,
    CODE,
    REASONING,
    SEARCHES,
    WITH_A_STUDENT,
)
CASES = {name: case for family in FAMILIES for name, case in family.items()}
