"""The trainer of a campaign: rounds that are handed over, and the models that it gives."""
