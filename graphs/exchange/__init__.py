"""Knowledge graphs out and in: files that other tools read, and graphs of the user's own. It samples nothing."""
