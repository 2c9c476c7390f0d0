"""How different the texts of a set are from each other: figures with their source, units, cost and interval."""
