"""The layers around a model call, each a Model that wraps a Model: repair, meter, cache, budget, retry, limiter."""
