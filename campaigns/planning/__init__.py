"""What a planner is shown of a campaign, and what it drew: books by chunk, cell and task."""
