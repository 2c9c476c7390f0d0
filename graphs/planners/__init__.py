"""Planners: what a recipe draws next. They see a `PlanView`, never a model."""
