"""Measures of text and of items: grounding, duplicates, diversity, quality. They know no campaign.

Most are pure functions; those that ask a model take it as an argument (see `asking`).
"""
