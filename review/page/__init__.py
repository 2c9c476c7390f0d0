"""A run's knowledge graph as one page that stands for itself: a file to send, to keep, to open without a server."""
