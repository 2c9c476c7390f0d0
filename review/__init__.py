"""What people do with what the critics rejected: the queue, the decisions, the pages."""
