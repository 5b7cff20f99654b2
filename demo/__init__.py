"""A believable community, put into a running Waggle through its public API."""
