"""Uploads, their processing, and the renditions that clients get."""
