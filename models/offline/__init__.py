"""A model without a network: it answers gristmill's own prompts by extractive rules. It knows no prompt text."""
