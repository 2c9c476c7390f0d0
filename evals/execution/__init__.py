"""Runs programs and queries that models wrote, apart from this process; knows no draft, no flow and no model."""
