"""Steering: which of the tasks that a planner draws are worth running next; it knows no recipe, prompt or model."""
