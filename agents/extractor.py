"""The extractor: one chunk in, its entities and relations out, each led back to the characters that state it.

Gleaning (asking again for what was missed) follows GraphRAG (Edge et al. 2024, arXiv:2404.16130), without its yes/no
question between rounds: the names found so far go back into the same prompt, and a round that adds nothing ends it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from ..errors import AccessDenied, ConfigError, ModelError, SchemaMismatch, ServerLost
from ..prompts.schemas import ExtractedGraph
from ..storage.records import Chunk, Usage
from .extraction import DEFAULT, Extraction, GraphSchema
from .findings import Findings
from .state import FlowContext

Extractor = Callable[[Chunk, FlowContext], Awaitable[Extraction]]


def extractor(
    *,
    schema: GraphSchema = DEFAULT,
    role: str = "extractor",
    prompt: str = "extract-graph",
    max_gleanings: int = 1,
) -> Extractor:
    """Makes an extractor.

    Args:
        schema: the types to look for.
        role: the role whose model answers.
        prompt: a prompt that is answered with `ExtractedGraph`.
        max_gleanings: how often at most to ask again after the first answer.

    Returns:
        A function of a chunk and a context. It raises what `FlowContext.ask` raises for the first answer; a gleaning
        round that fails ends the gleaning and is named in `Extraction.stopped`, unless access is denied or a budget
        is spent, which is raised.
    """
    if max_gleanings < 0:
        raise ConfigError(f"max_gleanings is {max_gleanings}; give 0 for one answer a chunk, or a positive number")
    schema.check()
    entity_types = [spec.model_dump() for spec in schema.entity_types]
    relation_types = [spec.model_dump() for spec in schema.relation_types]

    async def extract(chunk: Chunk, context: FlowContext) -> Extraction:
        findings = Findings(chunk, schema)
        usage, rounds, model, stopped = Usage(), 0, "", "limit"
        while rounds <= max_gleanings:
            variables = {
                "passage": chunk.text,
                "headings": list(chunk.headings),
                "entity_types": entity_types,
                "relation_types": relation_types,
                "found": findings.names(),
            }
            try:
                reply = await context.ask(role, prompt, variables)
                answer = reply.parsed
                if not isinstance(answer, ExtractedGraph):
                    raise SchemaMismatch(
                        f"prompt '{prompt}' was answered with {type(answer).__name__}, not ExtractedGraph; give it "
                        f"`schema: ExtractedGraph` in its front matter, and its model the repair layer that parses",
                        raw=reply.text,
                    )
            except (AccessDenied, ServerLost):
                raise
            except ModelError as error:
                if rounds == 0:
                    raise
                stopped = error.reason
                break
            rounds += 1
            usage, model = usage + reply.usage, reply.model
            if not findings.add(answer):
                stopped = "nothing_new"
                break
        return findings.finish(rounds=rounds, stopped=stopped, usage=usage, model=model)

    return extract
