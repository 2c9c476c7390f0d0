"""Centres of k-means from a sample of vectors, by scikit-learn on one thread: fast enough, and the same for a seed.

One Lloyd's run from k-means++ (Arthur and Vassilvitskii 2007), which looks at `SEEDED` vectors: at more it would take
most of the time. A sample of `TRAINED` vectors a centre is what index libraries take too: centres hardly move with
more. On one thread because the order in which threads add up differs from run to run, and because the many small
products of k-means++ spend more in waiting for threads than in reckoning, above all on a busy machine.
"""

from __future__ import annotations

import warnings

from ..numeric import Lazy, Matrix, np

sklearn_cluster = Lazy("sklearn.cluster", "scikit-learn", "evals")
threadpool = Lazy("threadpoolctl", "threadpoolctl", "evals")
TRAINED = 64  # vectors a centre
SEEDED = 4096  # vectors, at least four a centre
ROUNDS = 20  # of Lloyd's algorithm


def fitted_centres(sample: Matrix, k: int, seed: int) -> Matrix:
    """Returns (k, d) float32 centres, or as many as there are different vectors in `sample`, (n, d) float32.

    Cost: O(n k d) a round, of which there are 20 at most.
    """
    sample = np.ascontiguousarray(sample)
    different = len(np.unique(sample.view(np.dtype((np.void, sample.dtype.itemsize * sample.shape[1])))))
    k = min(k, different)
    if k == 1:
        return np.asarray(sample.mean(axis=0, keepdims=True), dtype=np.float32)
    with threadpool.threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that some centres came to lie in one place: an empty cluster does no harm
        few = sample if len(sample) <= (most := max(SEEDED, 4 * k)) else sample[:: len(sample) // most]
        begun = sklearn_cluster.kmeans_plusplus(few, k, random_state=seed)[0]
        model = sklearn_cluster.KMeans(k, init=begun, n_init=1, max_iter=ROUNDS, algorithm="lloyd")
        centres = model.fit(sample).cluster_centers_
    return np.asarray(centres, dtype=np.float32)
