"""The knowledge graph of a campaign: built, kept current as documents change, reported."""
