"""What the queue over Redis does inside the server, a script a step; `redis_scripts` loads them and names the keys."""
