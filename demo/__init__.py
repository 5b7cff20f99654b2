"""A realistic community that is created in a running Waggle through its public API."""
