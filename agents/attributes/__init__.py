"""Attributes and personas that steer what is written."""
