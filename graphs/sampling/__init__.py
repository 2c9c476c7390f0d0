"""Samplers: each draws one kind of group from a knowledge graph, seeded and counted; they know no task and no model."""
