"""Knowledge graphs, flows and recipes: what is known, how one task becomes an item, what to make next."""
