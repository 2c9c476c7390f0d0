"""Verifiers of drafts that ask no model, and guards that judge every draft of a campaign."""
