"""Flows: LangGraph StateGraphs over the published state, their check before a run, and their picture."""
