"""Chooses some of a run's accepted items by a strategy of `evals.selection`, and writes them as a dataset."""
