"""A person edits the knowledge graph of a run: merges, splits, takes rulings back."""
