"""Roles that write programs and have them run in the sandbox."""
