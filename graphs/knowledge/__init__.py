"""The knowledge graph: build it from chunks, merge it, sample it, write it out. Every fact keeps its mentions."""
