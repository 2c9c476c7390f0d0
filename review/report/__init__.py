"""The report as a page that stands for itself, as JSON and as a table. It measures nothing of its own."""
