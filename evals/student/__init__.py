"""A student that is trained on what was made: what it says, how sure it is, how it does on gold. Knows no flow."""
