"""Texts as vectors, and who is near whom among them. Which model made a vector is not known here."""
