"""Items out to other annotation tools, and decisions back in."""
