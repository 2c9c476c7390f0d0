"""Which texts are there already: the same, nearly the same, or the same in meaning; in one process or in a fleet."""
