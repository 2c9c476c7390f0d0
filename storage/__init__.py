"""What is kept: records, the run store, documents in, datasets out. Knows nothing of models or flows."""
