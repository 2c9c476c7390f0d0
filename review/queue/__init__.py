"""What waits for people: the index of items, the filters and orders, the counts."""
