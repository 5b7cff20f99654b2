"""Waggle as its clients know it: a process that speaks HTTP, whatever its shape."""
