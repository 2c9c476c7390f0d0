"""How good a knowledge graph is: its shape, its noise, what looks like one thing twice, and a gold annotation."""
