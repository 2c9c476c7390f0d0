"""All diversity figures of a list of texts at once."""

from __future__ import annotations

from collections.abc import Sequence

from ...errors import ConfigError, require_texts
from ..figure import Figure
from ..numeric import Matrix
from .clusters import cluster_entropy
from .distance import nearest_distance, pairwise_distance
from .lexical import compression_ratio, distinct_n, mtld_of
from .overlap import rouge_l_nearest, self_bleu
from .vectors import Unit
from .vendi import vendi_orders
from .wording import Wording

NGRAMS = (1, 2, 3)
ORDERS = (1.0, 2.0)


def measure(
    texts: Sequence[str],
    vectors: Matrix | None = None,
    *,
    against: Sequence[str] | None = None,
    against_vectors: Matrix | None = None,
    ngrams: Sequence[int] = NGRAMS,
    orders: Sequence[float] = ORDERS,
    clusters: int = 0,
    seed: int = 0,
) -> list[Figure]:
    """Measures how different `texts` are from each other, and from `against` where it is given.

    Args:
        texts: any; those without a word are left out with a note.
        vectors: one row for each text (see `evals.vectors`), or None for figures of wording alone.
        against: an earlier set; adds `rouge_l_nearest_against` and `rouge_l_novel_against`.
        against_vectors: its vectors; adds `nearest_distance_against`, and cluster centres are fitted to them.
        ngrams: the n of distinct-n.
        orders: the q of Vendi scores.
        clusters: the k of cluster entropy; 0 chooses it (`cluster_count`).
        seed: of all samples: the same texts and seed give the same figures.

    Returns:
        `distinct_N`, `mtld`, `compression_ratio`, `self_bleu`, `rouge_l_nearest`, `rouge_l_novel`; with vectors `vendi`
        (and `vendi_qQ`), `pairwise_distance`, `nearest_distance`, `cluster_entropy`, `cluster_effective`. Every one has
        a value or a note that says why not; docs/evals.md says what each means and when not to trust it.

    Cost: 100,000 texts of 60 words take about 20 s on one core without vectors.

    Raises:
        ConfigError: vectors and texts differ in number, dimensions differ, a row is not finite, or the extra `evals` is
            not installed.
    """
    texts = require_texts("texts", texts) if not isinstance(texts, Sequence) else texts
    against = None if against is None else require_texts("against", against)
    if isinstance(ngrams, str | int) or not all(isinstance(n, int) for n in ngrams):
        raise ConfigError(f"ngrams is {ngrams!r}; give whole numbers, such as (1, 2, 3)")
    if vectors is not None and len(vectors) != len(texts):
        raise ConfigError(f"{len(texts):,} texts came with {len(vectors):,} vectors; give one row for each text")
    wording = Wording.of(texts)
    found = [distinct_n(wording, n) for n in ngrams]
    found += [mtld_of(wording, seed=seed), compression_ratio(wording), self_bleu(wording, seed=seed)]
    found += rouge_l_nearest(wording, seed=seed)
    if against is not None:
        found += [_renamed(figure) for figure in rouge_l_nearest(wording, against, seed=seed)]
    if vectors is None:
        return found
    unit = Unit.of(vectors)
    other = None if against_vectors is None else Unit.of(against_vectors)
    found += [*vendi_orders(unit, orders), pairwise_distance(unit), nearest_distance(unit, seed=seed)]
    found += cluster_entropy(unit, clusters, fitted_to=other, seed=seed)
    if other is not None:
        found.append(nearest_distance(unit, other, seed=seed))
    return found


def _renamed(figure: Figure) -> Figure:
    return Figure(f"{figure.name}_against", figure.value, figure.unit, figure.low, figure.high, figure.of, figure.note)
