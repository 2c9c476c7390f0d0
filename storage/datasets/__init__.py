"""Datasets out: items as files that training code reads. Knows records and files, nothing of runs or models."""
