"""The Vendi score: how many different items a set is worth, of any order, for cosine or any other likeness."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from ...errors import ConfigError
from ..figure import Figure
from ..numeric import Matrix, np
from .vectors import NO_VECTORS, Unit

MOST_BY_KERNEL = 5_000  # items; their kernel is 200 MB, its eigenvalues a minute
UNIT = "effective items"
Item = TypeVar("Item")


def vendi(vectors: Matrix | Unit, q: float = 1.0) -> Figure:
    """The Vendi score of order `q` with cosine similarity as the kernel: exact, whatever the number of items.

    Friedman and Dieng 2023 (arXiv:2210.02410) for q = 1, Pasarkar and Dieng 2023 (arXiv:2310.12952) for other orders:
    the exponential of the Rényi entropy of order q of the eigenvalues of K/n. With cosine K = XXᵀ, whose eigenvalues
    other than zero are those of the d x d matrix XᵀX, so n items cost n d² and never an n x n kernel. Small q counts
    rare kinds, large q only the common ones; `math.inf` is one over the largest eigenvalue, 0 the rank.

    Args:
        vectors: (n, d); rows are scaled to length one, rows of zeros left out with a note.
        q: 0 to `math.inf`.

    Unit: effective items, from 1 (all alike) to min(n, d). Cost: 1,000,000 x 384 take about 15 s on two cores and
    80 MB beyond the vectors; sums in float64.

    Raises:
        ConfigError: q is negative or no number, or a row of the vectors is not finite.
    """
    return vendi_orders(vectors, (q,))[0]


def vendi_orders(vectors: Matrix | Unit, orders: Sequence[float] = (1.0,)) -> list[Figure]:
    """The Vendi score at several orders for the price of one."""
    for q in orders:
        _check(q)
    unit = Unit.of(vectors)
    if not unit.count:
        return [Figure(_name(q), None, UNIT, note=NO_VECTORS) for q in orders]
    if unit.count <= unit.dimensions:
        rows = unit.rows(slice(None))
        products = rows @ rows.T
    else:
        products = np.zeros((unit.dimensions, unit.dimensions), dtype=np.float64)
        for chunk in unit.chunks():
            products += chunk.T @ chunk  # numpy sees that both are one and has BLAS work out one half
    return _figures(products / unit.count, orders, unit.count, unit.note)


def vendi_of_kernel(kernel: Any, q: float = 1.0) -> Figure:
    """The Vendi score of order `q` from an (n, n) kernel of likenesses, 1 on its diagonal, symmetric, semi-definite.

    Cost: n³; refused above 5,000 items.

    Raises:
        ConfigError: the kernel is not square, symmetric, finite, 1 on its diagonal, or is too large.
    """
    _check(q)
    matrix = np.asarray(kernel, dtype=np.float64)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
        raise ConfigError(f"a kernel has the shape {matrix.shape}; give one row and one column for each item")
    if not len(matrix):
        return Figure(_name(q), None, UNIT, note="no item")
    _small(len(matrix))
    if not np.isfinite(matrix).all():
        row = int(np.flatnonzero(~np.isfinite(matrix).all(axis=1))[0])
        raise ConfigError(f"row {row} of the kernel is not finite; give each pair a likeness in [0, 1]")
    if not np.allclose(matrix, matrix.T, atol=1e-6) or not np.allclose(np.diagonal(matrix), 1.0, atol=1e-6):
        raise ConfigError("a kernel is not symmetric with 1 on its diagonal; give likeness(a, b) = likeness(b, a)")
    return _figures(matrix / len(matrix), (q,), len(matrix), "")[0]


def vendi_of(items: Sequence[Item], likeness: Callable[[Item, Item], float], q: float = 1.0) -> Figure:
    """The Vendi score under any likeness in [0, 1] that is 1 of an item with itself: n² / 2 calls of it."""
    _small(len(items))
    kernel = np.ones((len(items), len(items)), dtype=np.float64)
    for row, left in enumerate(items):
        for column in range(row):
            kernel[row, column] = kernel[column, row] = likeness(left, items[column])
    return vendi_of_kernel(kernel, q)


def effective(shares: Any, q: float = 1.0) -> float:
    """The Hill number of order `q`: the exponential of the Rényi entropy of `shares`, which sum to one.

    Hill 1973 (Ecology 54): how many equally common kinds would be as diverse.
    """
    shares = np.asarray(shares, dtype=np.float64)
    shares = shares[shares > 0]
    if q == 0:
        return float(len(shares))
    if math.isinf(q):
        return float(1 / shares.max())
    if abs(q - 1) < 1e-9:
        return math.exp(float(-(shares * np.log(shares)).sum()))
    # powers of small shares vanish for large orders, their logarithms do not
    logs = q * np.log(shares)
    top = float(logs.max())
    return math.exp((top + math.log(float(np.exp(logs - top).sum()))) / (1 - q))


def _figures(normalised: Any, orders: Sequence[float], count: int, note: str) -> list[Figure]:
    values = np.linalg.eigvalsh(normalised)
    # eigenvalues that should be zero come out as rounding noise, of either sign; order 0 would count them
    least = len(values) * np.finfo(np.float64).eps * float(values.max()) * 1e3
    below = -float(values[values < -1e-6].sum())
    if below:
        note = "; ".join(filter(None, [note, f"the likeness is no kernel: eigenvalues of -{below:.2g} left out"]))
    values = values[values > least]
    shares = values / values.sum()
    return [Figure(_name(q), effective(shares, q), UNIT, of=count, note=note) for q in orders]


def _name(q: float) -> str:
    return "vendi" if q == 1 else "vendi_q_inf" if math.isinf(q) else f"vendi_q{q:g}"


def _check(q: float) -> None:
    if math.isnan(q) or q < 0:
        raise ConfigError(f"the order of a Vendi score is {q}; give 0 or more, 1 is the usual one")


def _small(count: int) -> None:
    if count > MOST_BY_KERNEL:
        raise ConfigError(
            f"a kernel of {count:,} items would take {count**2 * 8 / 1e9:.0f} GB and the cube of their number in time; "
            f"give at most {MOST_BY_KERNEL:,}, or vectors, for which `vendi` needs no kernel"
        )
