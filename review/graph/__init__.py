"""The knowledge graph as the pages show it: what is in a picture, how far it is covered, where it is stated."""
