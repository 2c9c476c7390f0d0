"""What items share with a user's evaluation sets, and what in them must not leave the house."""
