"""Entity resolution: which references are one entity. It knows references and rulings; it does not know the graph."""
