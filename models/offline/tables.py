"""Small databases, questions over them and their SQL: two tables whatever the domain, a few shapes of questions.

The writer's query runs but for a share that is misspelt on purpose. The reader of questions knows the shapes by their
words alone; its answers are wrong more often, by a wrong column, measure or condition.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from ...prompts.schemas import SqlExample
from .asked import Asked
from .wording import stock

_NAME = re.compile(r"\W+")
_TABLES = """CREATE TABLE {one} (id INTEGER PRIMARY KEY, name TEXT NOT NULL, town TEXT, size INTEGER);
CREATE TABLE {many} (id INTEGER PRIMARY KEY, {one}_id INTEGER REFERENCES {one}(id), month INTEGER, amount REAL);"""
_PLACES = "INSERT INTO {0} VALUES {2};\nINSERT INTO {1} VALUES {3};"
_ALL = "SELECT * FROM {0}"
_TOWNS = ("Ashby", "Brook", "Carse", "Dell")

# difficulty → a question and the query that answers it; {0} is the first table, {1} the second, {2} and {3} are numbers
Shape = tuple[str, str]
SHAPES: dict[str, tuple[Shape, ...]] = {
    "easy": (
        ("Which {0} have a size above {2}? Show their names, in alphabetical order.",
         "SELECT name FROM {0} WHERE size > {2} ORDER BY name"),
        ("How many {0} have a size of {2} at least?", "SELECT count(*) FROM {0} WHERE size >= {2}"),
    ),
    "medium": (
        ("How many {0} are there in each town? Show town and count.",
         "SELECT town, count(*) FROM {0} WHERE size > 0 GROUP BY town"),
        ("What is the amount of all {1} of each of the {0} of size {2} or more? Show name and amount.",
         "SELECT {0}.name, sum({1}.amount) FROM {0} JOIN {1} ON {1}.{0}_id = {0}.id WHERE {0}.size >= {2} "
         "GROUP BY {0}.id"),
    ),
    "hard": (
        ("Which {0} have more than {3} {1}? Show their names, most first.",
         "SELECT {0}.name FROM {0} JOIN {1} ON {1}.{0}_id = {0}.id GROUP BY {0}.id HAVING count(*) > {3} "
         "ORDER BY count(*) DESC, {0}.name"),
        ("Which three {1} after month {3} have the highest amount? Show month and amount.",
         "SELECT month, amount FROM {1} WHERE month > {3} ORDER BY amount DESC LIMIT 3"),
    ),
    "very hard": (
        ("Which {0} have no {1} at all after month {3}? Show their names.",
         "SELECT name FROM {0} WHERE id NOT IN (SELECT {0}_id FROM {1} WHERE month > {3} AND {0}_id IS NOT NULL)"),
        ("Which {0} are larger than the mean size of their town by {3} at least? Show their names.",
         "SELECT name FROM {0} AS outer_one WHERE size >= {3} + "
         "(SELECT avg(size) FROM {0} WHERE town = outer_one.town)"),
    ),
}  # fmt: skip


def write(asked: Asked) -> SqlExample:
    """Answers `sense-write`; one query in five is misspelt."""
    rng = asked.rng
    domain = [word for word in _NAME.split(asked.text("domain").lower()) if len(word) > 3] or ["thing"]
    one, many = f"{domain[0]}_place", f"{domain[-1]}_{rng.choice(('entries', 'loans', 'counts', 'orders'))}"
    difficulty = asked.text("difficulty").lower()
    level = next((name for name in sorted(SHAPES, key=len, reverse=True) if difficulty.startswith(name)), "easy")
    question, sql = rng.choice(SHAPES[level])
    numbers = (rng.randint(2, 60), rng.randint(1, 3))
    query = sql.format(one, many, *numbers)
    return SqlExample(
        tables=_TABLES.format(one=one, many=many),
        rows=_rows(asked, one, many),
        question=question.format(one, many, *numbers),
        sql=query.replace("name", "named", 1) if asked.slips() else query,
    )


def _rows(asked: Asked, one: str, many: str) -> str:
    """Returns INSERT statements: towns that occur twice, one place without an entry, one entry without a place."""
    rng = asked.rng
    things = rng.sample(stock("things"), 6)
    places = [f"({i}, '{name}', '{_TOWNS[i % 4]}', {rng.randint(1, 99)})" for i, name in enumerate(things, 1)]
    held = [rng.randint(1, 5) for _ in range(9)]
    entries = [f"({i}, {at}, {rng.randint(1, 12)}, {rng.randint(10, 990) / 10})" for i, at in enumerate(held, 1)]
    entries.append("(10, NULL, 6, 12.5)")
    return _PLACES.format(one, many, ", ".join(places), ", ".join(entries))


def answer(asked: Asked) -> str:
    """Answers `write-sql`: finds the shape that the question has, and slips."""
    named = re.findall(r"CREATE TABLE (\w+)", asked.text("tables"))
    if len(named) < 2:
        return _ALL.format(named[0] if named else "unknown")
    question = asked.text("question")
    for shapes in SHAPES.values():
        for form, sql in shapes:
            if (found := _fits(form, named, question)) is not None:
                query = sql.format(*named[:2], found, found)
                return asked.rng.choice(_MISTAKES)(query) if asked.slips() else query
    return _ALL.format(named[0])


def _fits(form: str, named: list[str], question: str) -> str | None:
    """Returns the number of a question of this form, empty where the form has none; None for another form."""
    pattern = re.escape(form).replace(r"\{0\}", re.escape(named[0])).replace(r"\{1\}", re.escape(named[1]))
    found = re.fullmatch(re.sub(r"\\\{[23]\\\}", r"(\\d+)", pattern), question.strip())
    return None if found is None else found[1] if found.groups() else ""


_MISTAKES: tuple[Callable[[str], str], ...] = (
    lambda sql: sql.replace("name", "title"),  # no such column, where there is a name
    lambda sql: sql.replace(">=", "<=").replace(">", "<", 1),
    lambda sql: sql.replace("sum(", "max(").replace("count(*)", "count(*) + 1"),
    lambda sql: f"{sql} LIMIT 1" if "LIMIT" not in sql else sql.replace("LIMIT 3", "LIMIT 2"),
)
