"""Extraction: what of a passage becomes the graph's entities, relations and claims, with spans."""
