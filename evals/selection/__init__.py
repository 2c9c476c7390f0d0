"""Subsets of a run's items: by quality, by spread, by likeness to examples. Deterministic by seed."""
