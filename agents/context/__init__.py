"""What of a passage's surroundings goes into a prompt, packed into a budget of tokens."""
