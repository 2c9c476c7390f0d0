"""The fleet: one process coordinates, worker processes run the flow, a queue stands between them. Knows no prompt."""
