"""What an operator sees from outside: logs, metrics, traces. Reads the books that are kept anyway; changes none."""
