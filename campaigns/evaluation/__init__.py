"""Measures a run, a dataset or a list of texts, alone or beside another one: what `gristmill eval` shows."""
