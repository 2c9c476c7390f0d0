"""The gates of a campaign: novelty, and the guards that judge every draft."""
