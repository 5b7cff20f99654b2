"""Who follows, blocks and mutes whom, over HTTP."""
