"""The web page for rejects and the campaign's dashboard, served on localhost."""
