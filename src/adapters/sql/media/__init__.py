"""Media and the processing queue in SQLite and PostgreSQL."""
