"""Campaigns: plan, run, count and stop. Knows no prompt and no provider."""
