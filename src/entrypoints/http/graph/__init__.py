"""HTTP for follows, blocks and mutes."""
