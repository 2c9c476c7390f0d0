"""Instruction-following difficulty: how much a question helps a model to its answer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from ...errors import ConfigError, ModelError
from ...models.contract import Request, Sampling, TokenLogprob
from ..asking import Asker, failures
from ..figure import Figure
from ..intervals import mean_figure, share_figure

TEMPLATE = "{question}\n\n"
NO_LOGPROBS = (
    "the model gave no prompt_logprobs; they are vLLM's: bind a model whose server gives them (docs/vllm.md), or work "
    "them out yourself and give them to ifd()"
)


@dataclass(frozen=True, slots=True)
class Difficulty:
    """The mean loss of an answer's `tokens` (nats a token), after its question and by itself."""

    conditioned: float
    direct: float
    tokens: int

    @property
    def ratio(self) -> float | None:
        """IFD as in Li et al. 2024: conditioned loss / direct loss. None where the answer alone has no loss."""
        return self.conditioned / self.direct if self.direct > 0 else None

    @property
    def perplexity_ratio(self) -> float:
        """IFD as in Superfiltering (Li et al. 2024, arXiv:2402.00530): the ratio of both perplexities."""
        return math.exp(min(700.0, self.conditioned - self.direct))


def ifd(conditioned: Sequence[float], direct: Sequence[float]) -> Difficulty | None:
    """From the log-probabilities (nats) of the same tokens of an answer, after its question and by itself.

    Li et al. 2024 (From Quantity to Quality, arXiv:2308.12032). None of no token.

    Raises:
        ConfigError: the two differ in length, or hold what is no log-probability; names the place.
    """
    if len(conditioned) != len(direct):
        raise ConfigError(
            f"an answer has {len(conditioned)} tokens after its question and {len(direct)} alone; give both of the same"
        )
    for place, one in enumerate((*conditioned, *direct)):
        if not math.isfinite(one) or one > 1e-6:
            raise ConfigError(f"the log-probability of token {place % len(direct)} is {one}; give nats, 0 at most")
    if not direct:
        return None
    return Difficulty(max(0.0, -fmean(conditioned)), max(0.0, -fmean(direct)), len(direct))


async def measure_ifd(
    pairs: Sequence[tuple[str, str]], asker: Asker, *, template: str = TEMPLATE
) -> tuple[list[Figure], list[Difficulty | None]]:
    """Asks a base or instruct model how likely it finds each answer, after its question and by itself.

    Both texts go as raw completions with `prompt_logprobs = 0`. The tokens that are compared are the last ones that
    both have in common and that both give a log-probability: how the last of the question and the first of the answer
    are joined may differ, and a first token has nothing before it. A pair with no such token has no difficulty.

    Args:
        pairs: (question, answer).
        template: what stands before the answer; `{question}` is put in. Give the chat template's for a chat model.

    Returns:
        `ifd` (mean ratio of losses), `ifd_perplexity` (mean ratio of perplexities), both with Student's interval, and
        `ifd_misleading` (share of pairs with a ratio above 1, where the question makes the answer less likely); and the
        difficulty of each pair.

    Unit: ratio; higher is harder. Cost: two calls a pair, each of one token out.

    Raises:
        ConfigError: the template has no `{question}`, or the model gives no prompt_logprobs; names the mend.
    """
    if "{question}" not in template:
        raise ConfigError(f"the template {template!r} has no {{question}}; put it where the question belongs")

    async def one(pair: tuple[str, str]) -> list[Difficulty]:
        question, answer = pair
        if not answer.strip():
            return []
        after = await _tokens(template.replace("{question}", question) + answer, asker)
        kept = _common(after, await _tokens(answer, asker))
        difficulty = ifd([left for left, _ in kept], [right for _, right in kept])
        return [] if difficulty is None else [difficulty]

    results = await asker.each(pairs, one)
    found = [None if isinstance(result, ModelError) or not result else result[0] for result in results]
    lost = sum(not isinstance(result, ModelError) and not result for result in results)
    scored = [(one, ratio) for one in found if one is not None and (ratio := one.ratio) is not None]
    note = "; ".join(filter(None, [failures(results), f"{lost} answers without a token to compare" if lost else ""]))
    ratios = [ratio for _, ratio in scored]
    perplexities = [one.perplexity_ratio for one, _ in scored]
    return [
        mean_figure("ifd", ratios, unit="ratio", note=note, least=0.0),
        mean_figure("ifd_perplexity", perplexities, unit="ratio", note=note, least=0.0),
        share_figure("ifd_misleading", sum(ratio > 1 for ratio in ratios), len(ratios), note=note),
    ], found


async def _tokens(text: str, asker: Asker) -> tuple[TokenLogprob | None, ...]:
    sampling = Sampling(temperature=0.0, max_tokens=1, prompt_logprobs=0)
    reply = await asker.complete(Request(kind="completion", text=text, sampling=sampling, role=asker.role))
    tokens = reply.choices[0].prompt_logprobs if reply.choices else ()
    if not tokens:
        raise ConfigError(NO_LOGPROBS)
    return tokens


def _common(left: Sequence[TokenLogprob | None], right: Sequence[TokenLogprob | None]) -> list[tuple[float, float]]:
    """The log-probabilities of the longest run of equal tokens at both ends that both know."""
    kept = []
    for one, other in zip(reversed(left), reversed(right), strict=False):
        if one is None or other is None or one.token != other.token:
            break
        kept.append((one.logprob, other.logprob))
    return kept[::-1]
