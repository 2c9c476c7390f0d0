"""Measures of text and of items: grounding, answers, language, duplicates. Pure functions; they call no model."""
