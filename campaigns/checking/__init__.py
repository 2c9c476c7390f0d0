"""What is refused before anything is spent: rows, settings, models that must differ, sets to compare with."""
