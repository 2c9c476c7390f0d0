"""What the queue over Redis does inside the server: one script a step. `redis_scripts` loads them and tells of the keys."""
