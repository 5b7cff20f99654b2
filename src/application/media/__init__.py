"""Uploads, what is made of them, and what is shown of it."""
