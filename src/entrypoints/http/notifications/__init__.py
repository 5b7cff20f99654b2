"""/api/v1/notifications."""
