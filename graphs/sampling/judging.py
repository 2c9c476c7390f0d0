"""What a model does not know: a score for each fact, from its yes or no to statements that it reads.

After the knowledge assessment of GraphGen (arXiv:2505.20416), with each of its steps done as it was meant. The judge
reads the statements that it judges, true and false ones, and no description in their place. Its probabilities of yes
and no are normalised against each other, so a habit of answering otherwise does not count as doubt. No logarithm is
taken of zero: what a server does not list is at most as likely as the last that it lists. A fact that could not be
judged has no score and is counted, and is never given a middling one.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import exp, isfinite, log, log1p
from pathlib import Path
from tempfile import NamedTemporaryFile

from ...agents.state import FlowContext, NodeInfo
from ...errors import AccessDenied, BadReply, ConfigError, ModelError, SchemaMismatch, ServerLost, StoreError
from ...models.contract import Reply, Sampling, TokenLogprob
from ...prompts.schemas import Statements
from ...prompts.wanted import Text
from ...storage.records import Entity, Relation, Usage
from ..flows.check import require_asked
from ..knowledge.each import for_each
from ..knowledge.graph import KnowledgeGraph

STATE, JUDGE = "state-fact", "judge-statement"
FLOOR = -30.0  # nats: stands for a log-probability of minus infinity, which some servers send as -9999
YES, NO = "yes", "no"


class NoAnswer(BadReply):
    """The judge listed neither yes nor no, or no probabilities at all."""

    reason = "no_answer"


@dataclass(frozen=True)
class FactScore:
    """How unsure a judge is of a fact: `score` is the mean cross-entropy over its statements, in nats, 0 when all are
    answered rightly beyond doubt, 0.69 for a coin, and more where it holds the opposite."""

    fact: str
    score: float
    statements: tuple[tuple[str, bool, float], ...]


@dataclass
class ScoreBooks:
    """What became of the facts: `facts = scored + failed`; `failed` by reason."""

    facts: int = 0
    scored: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    usage: Usage = field(default_factory=Usage)

    @property
    def balanced(self) -> bool:
        """Whether every fact is accounted for."""
        return self.facts == self.scored + self.failed.total()


async def score_facts(
    graph: KnowledgeGraph,
    context: FlowContext,
    *,
    facts: Iterable[str] | None = None,
    judge: str = "student",
    writer: str = "generator",
    count: int = 1,
    top: int = 20,
    concurrency: int = 16,
) -> tuple[list[FactScore], ScoreBooks]:
    """Scores facts: relations, and entities by their description. A fact that fails costs itself alone.

    Args:
        facts: ids of relations and entities; all relations when absent.
        judge: role of the model whose knowledge is asked: the one that is to be trained, or a judge in its place.
        writer: role of the model that writes the statements. It should be another one.
        count: true statements a fact, and as many false ones.
        top: how many tokens' probabilities are asked for; servers allow 5 to 20.

    Returns:
        The scores in the order of the facts, and the books.

    Raises:
        ConfigError: a fact is not in the graph, or a prompt is not answered by what is read of it.
        AccessDenied, ServerLost, BudgetExceeded: every further call would fail too.
    """
    states = NodeInfo(writer, STATE, frozenset({"fact", "count"}), answer=Statements)
    require_asked((states, NodeInfo(judge, JUDGE, frozenset({"statement"}), answer=Text())), context.prompts)
    wanted = list(dict.fromkeys(graph.relation_ids if facts is None else facts))
    texts = {fact: describe_fact(graph, fact) for fact in wanted}
    books, scores = ScoreBooks(facts=len(wanted)), dict[str, FactScore]()

    async def one(fact: str) -> None:
        try:
            found = await _statements(context, writer, texts[fact], count, books)
            judged = [
                (text, holds, await _loss(context, judge, text, holds, top, books)) for text, holds in found
            ]  # fmt: skip
        except (AccessDenied, ServerLost):
            raise
        except ModelError as error:
            books.failed[error.reason] += 1
        else:
            books.scored += 1
            scores[fact] = FactScore(fact, sum(loss for _, _, loss in judged) / len(judged), tuple(judged))

    await for_each(wanted, one, concurrency=concurrency)
    return [scores[fact] for fact in wanted if fact in scores], books


def describe_fact(graph: KnowledgeGraph, fact: str) -> str:
    """Puts a relation or an entity in words; raises `ConfigError` when the graph has no such fact."""
    relation: Relation | None = graph.relations.get(fact)
    if relation is not None:
        ends = (graph.entities[relation.source].name, relation.type, graph.entities[relation.target].name)
        return "\n".join(filter(None, (" - ".join(ends), relation.description)))
    entity: Entity | None = graph.entities.get(fact)
    if entity is None:
        raise ConfigError(f"'{fact}' is no relation and no entity of the graph; give ids of facts that it has")
    return "\n".join(filter(None, (f"{entity.name} ({entity.type})", entity.description)))


async def _statements(
    context: FlowContext, writer: str, fact: str, count: int, books: ScoreBooks
) -> list[tuple[str, bool]]:
    reply = await context.ask(writer, STATE, {"fact": fact, "count": count})
    books.usage += reply.usage
    if not isinstance(reply.parsed, Statements):
        raise SchemaMismatch(
            f"prompt 'state-fact' was answered with {type(reply.parsed).__name__}, not Statements; give the model the "
            f"repair layer that parses",
            raw=reply.text,
        )
    right = [text.strip() for text in reply.parsed.true if text.strip()][:count]
    wrong = [text.strip() for text in reply.parsed.false if text.strip()][:count]
    if not right or not wrong:  # of one side alone a judge that always says yes would look as if it knew
        raise SchemaMismatch("a fact needs a true and a false statement; the writer gave one side only", raw=reply.text)
    return [*((text, True) for text in right), *((text, False) for text in wrong)]


async def _loss(context: FlowContext, judge: str, statement: str, holds: bool, top: int, books: ScoreBooks) -> float:
    sampling = Sampling(temperature=0.0, max_tokens=1, logprobs=top)
    reply = await context.ask(judge, JUDGE, {"statement": statement}, sampling=sampling)
    books.usage += reply.usage
    return cross_entropy(reply, holds)


def cross_entropy(reply: Reply, holds: bool) -> float:
    """Returns -log p of the right answer, in nats, p being normalised over yes and no alone. Never infinite.

    Raises:
        NoAnswer: neither stands among the first token's alternatives.
    """
    tokens = reply.choices[0].logprobs if reply.choices else ()
    if not tokens:
        raise NoAnswer(
            "the judge's answer has no log-probabilities; take a server that gives them (vLLM, OpenAI)", raw=reply.text
        )
    yes, no = answer_logprobs(tokens[0])
    if yes is None and no is None:
        raise NoAnswer("the judge's first token is neither Yes nor No; take a model that does not think aloud first",
                       raw=reply.text)  # fmt: skip
    least = max(FLOOR, min((*tokens[0].top.values(), tokens[0].logprob), default=FLOOR))
    yes, no = least if yes is None else yes, least if no is None else no
    right, wrong = (yes, no) if holds else (no, yes)
    behind = wrong - right
    return log1p(exp(behind)) if behind < 0 else behind + log1p(exp(-behind))


def answer_logprobs(token: TokenLogprob) -> tuple[float | None, float | None]:
    """Returns the log-probabilities of yes and of no, each over all its spellings; None for one that is not listed."""
    mass: dict[str, float] = {}
    for text, logprob in {token.token: token.logprob, **token.top}.items():
        word = text.strip(" \t\n\r\"'*.,_▁Ġ").casefold()
        if word in (YES, NO):
            mass[word] = mass.get(word, 0.0) + exp(max(FLOOR, min(0.0, logprob)))
    yes, no = mass.get(YES), mass.get(NO)
    return None if yes is None else log(yes), None if no is None else log(no)


def write_scores(scores: Iterable[FactScore], path: str | Path) -> None:
    """Writes scores as JSON lines with `fact`, `score` and the statements, in one step; raises `StoreError`."""
    lines = (
        json.dumps({
            "fact": one.fact,
            "score": one.score,
            "statements": [{"text": text, "holds": holds, "loss": loss} for text, holds, loss in one.statements],
        }, ensure_ascii=False)
        for one in scores
    )  # fmt: skip
    target = Path(path)
    written = None
    try:
        with NamedTemporaryFile("w", encoding="utf-8", dir=target.parent, prefix=".scores-", delete=False) as file:
            written = Path(file.name)
            file.writelines(f"{line}\n" for line in lines)
        written.chmod(0o644)
        written.replace(target)
        written = None
    except OSError as error:
        raise StoreError(f"scores '{path}' cannot be written: {error.strerror}") from error
    finally:
        if written is not None:
            written.unlink(missing_ok=True)


def read_scores(path: str | Path) -> Mapping[str, float]:
    """Reads what `write_scores` wrote, or any JSON lines with `fact` and `score`; raises `ConfigError`."""
    scores: dict[str, float] = {}
    try:
        with Path(path).open(encoding="utf-8") as file:
            for number, line in enumerate(file, start=1):
                if line.strip():
                    fact, score = _score_in(line, f"scores '{path}', line {number}")
                    scores[fact] = score
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"scores '{path}' cannot be read: {error}") from error
    return scores


def _score_in(line: str, where: str) -> tuple[str, float]:
    try:
        found = json.loads(line)
        fact, score = found["fact"], float(found["score"])
    except (ValueError, TypeError, KeyError) as error:
        raise ConfigError(f'{where}: is not of the form {{"fact": "ID", "score": 0.5}}: {error}') from error
    if not isinstance(fact, str) or not isfinite(score) or score < 0:
        raise ConfigError(f"{where}: fact is {fact!r} and score {score}; give an id, and a finite score of 0 or more")
    return fact, score
