"""The layers around a model call, outside in: defaults, repair, meter, cache, budget, retry, limiter."""
