"""One item as a person reads it: what changed between drafts, what is cited, the path that proposed it."""
