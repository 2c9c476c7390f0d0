"""Searches for the best response: trees, policies, rewards."""
