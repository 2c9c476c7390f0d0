"""What the prompts of recipes that start from documents are answered with; `schemas` has them under their names."""

from __future__ import annotations

from pydantic import Field

from .answers import Answer


class Rewriting(Answer):
    """Answers `rephrase-passage` and `rewrite-for-audience`."""

    text: str = Field(min_length=1)


class Audience(Answer):
    genre: str = Field(min_length=1)
    audience: str = Field(min_length=1)


class Audiences(Answer):
    """Answers `propose-audiences`."""

    pairs: list[Audience]


class SummaryQuery(Answer):
    """Answers `summarise-then-ask`: the summary comes first, for the query to be about what matters."""

    summary: str = Field(min_length=1)
    query: str = Field(min_length=1)


class Query(Answer):
    """Answers `write-query`."""

    query: str = Field(min_length=1)


class RetrievalTasks(Answer):
    """Answers `brainstorm-retrieval-tasks`: a sentence a task."""

    tasks: list[str]


class RetrievalTriple(Answer):
    """Answers `write-retrieval-triple`. `negatives` are near the query and do not answer it."""

    query: str = Field(min_length=1)
    positive: str = Field(min_length=1)
    negatives: list[str]


class Triple(Answer):
    subject: str
    relation: str
    object: str


class Triples(Answer):
    """Answers `read-triples`."""

    triples: list[Triple]


class Facet(Answer):
    facet: str = ""
    instruction: str = Field(min_length=1)


class Facets(Answer):
    """Answers `name-facets`."""

    facets: list[Facet]


class Output(Answer):
    """Answers `carry-out-instruction`; empty when the input does not have what is asked for."""

    output: str


class TaskSample(Answer):
    """Answers `write-from-shots`. `suitable` is false when the document has nothing for the task."""

    suitable: bool = True
    instruction: str = ""
    output: str = ""
