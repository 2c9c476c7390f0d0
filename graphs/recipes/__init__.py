"""Recipes: a planner (what to make next) and a flow (how), one file a system."""
