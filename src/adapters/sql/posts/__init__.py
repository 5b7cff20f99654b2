"""Posts, comments, mentions and engagements in SQLite and PostgreSQL."""
