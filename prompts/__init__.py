"""Prompt templates, one Markdown file each, and the library that renders them. Document text is only ever data here."""
