"""One module a file format: bytes of a user's file in, documents out. Knows nothing of folders, chunks or runs."""
